# SPDX-License-Identifier: GPL-3.0-or-later
"""Active while a virtual machine runs here."""

from __future__ import annotations

import os
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from powernap.machine import clocks
from powernap.machine.filecalls import ENTRIES, FileCalls
from powernap.machine.guests import STATES, Guest, folders, guests
from powernap.nap.evidence import Reading
from powernap.nap.monitors.base import Monitor
from powernap.nap.monitors.groups import runs
from powernap.shared.schema import Option

RUNNING = ("running", "blocked", "shutdown")


class GuestMonitor(Monitor):
    """libvirt's files tell its guests and their states, the process table those of other hypervisors. The end of their
    processes calls, and so do libvirt's files when a guest is paused.

    A guest that runs but does nothing counts; for one's CPU use there is the monitor "cgroup".
    """

    kind = "guest"
    needs_root = True
    summary = "a virtual machine runs here (libvirt, QEMU, Firecracker, VirtualBox, ...)"
    options = (
        Option("names", "strs", ("*",), "names of the guests that count; * stands for many", example=["build-*"]),
        Option("ignore", "strs", (), "names of those that do not count", example=["router", "test-*"]),
        Option("states", "strs", RUNNING, "states that count, as libvirt names them", choices=STATES),
        Option("processes", "bool", True, "guests that libvirt does not know count, too, while their process runs"),
    )

    def __init__(self, name: str, values: Mapping[str, Any], root: Path = Path("/")) -> None:
        super().__init__(name, {option.name: option.default for option in self.options} | dict(values))
        self._root = root
        self._ended: float | None = None
        self._armed = False
        self._processes: list[int] = []
        self._files: FileCalls | None = None

    def places(self) -> tuple[str, ...]:
        return ("/run/user/*/libvirt/qemu/run/*.xml",)

    def look(self, now: float) -> Reading:
        running = self._running()
        self._stop()
        source = "libvirt's files and processes" if self.values["processes"] else "libvirt's files"
        if running:
            self._ended = now
            calls = self._hold(running)
            detail = runs(sorted(f"{guest.name} ({guest.state})" for guest in running))
            return self.reading(last_active=now, active_now=True, detail=detail, source=source, calls=calls)
        return self.reading(
            last_active=self._ended, detail="no guest runs", source=source, calls=self._armed and self._await()
        )

    def _running(self) -> list[Guest]:
        found = guests(self._root, self.values["processes"])
        return [guest for guest in found if guest.state in self.values["states"] and self._counts(guest.name)]

    def _counts(self, name: str) -> bool:
        if any(fnmatchcase(name, pattern) for pattern in self.values["ignore"]):
            return False
        return any(fnmatchcase(name, pattern) for pattern in self.values["names"])

    def _hold(self, running: list[Guest]) -> bool:
        """Have the end of these called, and each change of their states; tell whether it will be."""
        if self.loop is None or not self._watch():
            return False
        try:
            for guest in running:
                self._processes.append(os.pidfd_open(guest.process))
        except (OSError, ValueError):  # it ended meanwhile, or libvirt did not say which process it is
            self._stop()
            return False
        for process in self._processes:
            self.loop.add_reader(process, self._woken)
        if self._running() != running:  # a state changed before it was watched
            self._stop()
            return False
        return True

    def _await(self) -> bool:
        """Have the next guest of libvirt called; of processes of others only a look tells."""
        if self.values["processes"] or not self._watch():
            return False
        if self._running():  # it began before it was watched
            self._stop()
            return False
        return self._files is not None

    def _watch(self) -> bool:
        """Watch libvirt's files; False where there are some that cannot be watched."""
        if self.loop is None:
            return False
        try:
            watched = [(str(folder), ENTRIES) for folder in folders(self._root)]
            self._files = FileCalls(self.loop, watched, self._woken) if watched else None
        except OSError:
            return False
        return True

    def _woken(self) -> None:
        if self._processes:
            self._ended = clocks.now()
        self._stop()
        self.call()

    def arm(self) -> None:
        self._armed = True
        if self._files is None and not self._processes and not self._await():
            self._stop()

    def disarm(self) -> None:
        self._armed = False
        if not self._processes:
            self._stop()

    def _stop(self) -> None:
        for process in self._processes:
            if self.loop is not None:
                self.loop.remove_reader(process)
            os.close(process)
        self._processes = []
        if self._files is not None:
            self._files.close()
        self._files = None

    def close(self) -> None:
        self._armed = False
        self._stop()
