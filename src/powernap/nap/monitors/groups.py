# SPDX-License-Identifier: GPL-3.0-or-later
"""What the monitors of control groups have in common: a group with processes in it holds until the kernel calls."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from powernap.machine import cgroups, clocks
from powernap.machine.filecalls import ENTRIES, MODIFY, FileCalls
from powernap.machine.inotify import CREATE, DELETE
from powernap.nap.evidence import Reading
from powernap.nap.monitors.base import Monitor

#: How often to begin again where groups come and go while watches are set.
ATTEMPTS = 3


@dataclass(frozen=True)
class Found:
    """``groups``: those that count, with or without processes, and what each is; ``places``: where new ones appear.

    ``files``: those that are there while something runs, and what; ``folders``: where such files come and go.
    """

    groups: Mapping[Path, str] = field(default_factory=dict)
    places: tuple[Path, ...] = ()
    files: Mapping[Path, str] = field(default_factory=dict)
    folders: tuple[Path, ...] = ()

    def running(self) -> list[Path]:
        return [*(group for group in self.groups if cgroups.populated(group)), *self.files]

    def name(self, path: Path) -> str:
        return self.files[path] if path in self.files else self.groups[path]


class GroupMonitor(Monitor):
    """Active while a process is in one of its groups.

    The kernel marks ``cgroup.events`` changed when a group gets its first or loses its last process: while one runs
    nothing is looked at, and while none runs an armed monitor is called by the first.
    """

    source: ClassVar[str] = "control groups"

    def __init__(self, name: str, values: Mapping[str, Any], root: Path = Path("/")) -> None:
        super().__init__(name, values)
        self.root = root
        self._ended: float | None = None
        self._armed = False
        self._holding = False
        self._calls: FileCalls | None = None

    def find(self) -> Found:
        """Return the groups that count. Raises OSError."""
        raise NotImplementedError

    def none(self, found: Found) -> str:
        """Return the detail of the reading while none runs."""
        return "none runs"

    def look(self, now: float) -> Reading:
        found = self.find()
        running = found.running()
        if not running and self._armed and self._await():
            found = self.find()
            running = found.running()
        if not running:
            if not self._armed:
                self._stop()
            return self.reading(
                last_active=self._ended, detail=self.none(found), source=self.source, calls=self._calls is not None
            )
        self._ended = now
        calls = self._hold(found, running)
        detail = runs(sorted(found.name(path) for path in running))
        return self.reading(last_active=now, active_now=True, detail=detail, source=self.source, calls=calls)

    def _hold(self, found: Found, running: list[Path]) -> bool:
        """Have the end of these called; tell whether it will be."""
        groups = [path for path in running if path not in found.files]
        events = [(group / "cgroup.events", MODIFY) for group in groups]
        # a group that is removed at once after its last process ended tells nothing itself: its parent does
        parents = [(parent, DELETE) for parent in {group.parent for group in groups}]
        self._watch([*events, *parents, *((folder, ENTRIES) for folder in {file.parent for file in found.files})])
        self._holding = self._calls is not None
        if self._holding and set(running).isdisjoint(self.find().running()):  # all ended before they were watched
            self._stop()
        return self._holding

    def _await(self) -> bool:
        """Have the next beginning called; tell whether one came meanwhile."""
        for _attempt in range(ATTEMPTS):
            found = self.find()
            events = [(group / "cgroup.events", MODIFY) for group in found.groups]
            places = [(place, CREATE) for place in found.places]
            self._watch([*events, *places, *((folder, ENTRIES) for folder in found.folders)])
            again = self.find()
            if again.running():
                self._stop()
                return True
            if again == found:
                return False
        self._stop()  # groups come and go: the looks go on
        return False

    def _watch(self, wanted: list[tuple[Path, int]]) -> None:
        self._stop()
        if self.loop is None:
            return
        try:
            self._calls = FileCalls(self.loop, [(os.fspath(path), mask) for path, mask in wanted], self._woken)
        except OSError:
            self._calls = None  # one that vanished, or no watches left: the looks go on

    def _woken(self) -> None:
        held = self._holding
        try:
            found = self.find()
            running = found.running()
            if running and held and self._hold(found, running):
                return
            if not running and not held and not self._await():
                return
            if held and not running:
                self._ended = clocks.now()
        except OSError:
            pass  # the look says why
        self._stop()
        self.call()

    def arm(self) -> None:
        self._armed = True
        if self._calls is None:
            try:
                begun = self._await()
            except OSError:
                return  # the look says why
            if begun:
                self.call()

    def disarm(self) -> None:
        self._armed = False
        if not self._holding:
            self._stop()

    def _stop(self) -> None:
        if self._calls is not None:
            self._calls.close()
        self._calls = None
        self._holding = False

    def close(self) -> None:
        self._armed = False
        self._stop()


def few(names: list[str]) -> str:
    """Return such as "a", or "a, b, c and 2 more"."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def runs(names: list[str]) -> str:
    """Return such as "a runs", or "a, b, c and 2 more run"."""
    return f"{few(names)} run" + ("s" if len(names) == 1 else "")
