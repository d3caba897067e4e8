# SPDX-License-Identifier: GPL-3.0-or-later
"""Active while a process runs whose command line matches."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

from powernap.machine import clocks
from powernap.nap.evidence import Reading
from powernap.nap.monitors.base import Monitor
from powernap.shared.errors import PowernapError
from powernap.shared.schema import Option

COMMAND_LINE_BYTES = 4096


class ProcessMonitor(Monitor):
    """One scan of /proc at the deadline; while a matching process runs, its pidfd tells the end and nothing is scanned.

    A process that begins and ends between two looks is not seen. Kernel threads and powernapd itself never match.
    """

    kind = "process"
    summary = "a process runs whose command line matches"
    options = (
        Option(
            "pattern",
            "regex",
            None,
            "searched for in the command line, its arguments joined by spaces",
            example=r"(^|/)rsync\b",
            required=True,
        ),
        Option("user", "str", "", "only processes of this user (name or number); empty: of anybody", example="backup"),
    )

    def __init__(self, name: str, values: Mapping[str, Any], proc: str = "/proc") -> None:
        super().__init__(name, values)
        self._pattern = re.compile(values["pattern"].encode())
        self._uid = _uid(values.get("user", ""))
        self._proc = proc
        self._pidfd: int | None = None
        self._ended: float | None = None
        self._what = ""

    def look(self, now: float) -> Reading:
        source = "one scan of /proc"
        if self._pidfd is not None:
            return self._running(now)
        for pid, command in self._matching():
            self._what = f"{command} (process {pid}) runs"
            if self._hold(pid):
                return self._running(now)
            self._ended = now
            return self.reading(last_active=now, active_now=True, detail=self._what, source=source)
        return self.reading(last_active=self._ended, detail="no process matches", source=source)

    def _running(self, now: float) -> Reading:
        self._ended = now
        return self.reading(last_active=now, active_now=True, detail=self._what, source="its pidfd", calls=True)

    def _matching(self) -> Iterator[tuple[int, str]]:
        own = os.getpid()
        with os.scandir(self._proc) as entries:
            processes = [entry.name for entry in entries if entry.name.isdigit()]
        for entry in processes:
            if int(entry) == own:
                continue
            try:
                fd = os.open(f"{self._proc}/{entry}/cmdline", os.O_RDONLY | os.O_CLOEXEC)
                try:
                    line = os.read(fd, COMMAND_LINE_BYTES)
                    uid = os.fstat(fd).st_uid if self._uid is not None else None
                finally:
                    os.close(fd)
            except OSError:
                continue  # it has gone
            line = line.rstrip(b"\0").replace(b"\0", b" ")
            if line and uid == self._uid and self._pattern.search(line):
                yield int(entry), line[:80].decode(errors="replace")

    def _hold(self, pid: int) -> bool:
        if self.loop is None:
            return False
        try:
            self._pidfd = os.pidfd_open(pid)
        except OSError:
            return False
        self.loop.add_reader(self._pidfd, self._released)
        return True

    def _released(self) -> None:
        self._ended = clocks.now()
        self.close()
        self.call()

    def close(self) -> None:
        if self._pidfd is not None and self.loop is not None:
            self.loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = None


def _uid(user: str) -> int | None:
    if not user:
        return None
    if user.isdigit():
        return int(user)
    import pwd

    try:
        return pwd.getpwnam(user).pw_uid
    except KeyError:
        raise PowernapError(f"there is no user {user!r} on this machine: correct the monitor's option user") from None
