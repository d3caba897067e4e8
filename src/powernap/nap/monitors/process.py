# SPDX-License-Identifier: GPL-3.0-or-later
"""Active while a process runs whose command line matches, and when one began or ended since the last look."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from powernap.machine import clocks
from powernap.machine.procnames import ProgramNames
from powernap.machine.proctable import Wanted
from powernap.machine.users import user_id
from powernap.nap.evidence import Reading
from powernap.nap.monitors.base import Monitor
from powernap.nap.monitors.processes import WHICH
from powernap.nap.monitors.shortlived import ShortLived
from powernap.nap.sources import Sources
from powernap.shared.schema import Option

if TYPE_CHECKING:
    from powernap.machine.proctable import ProcTable


class ProcessMonitor(Monitor):
    """One pass of /proc at the deadline; while a matching process runs, its pidfd tells the end and /proc is not read.

    What begins and ends between two looks is noted by the kernel, by name only (ShortLived). Kernel threads and
    powernapd itself never match.
    """

    kind = "process"
    summary = "a process runs whose command line matches"
    options = (
        *WHICH,
        Option(
            "names",
            "strs",
            (),
            "names of programs (files, without their folder) that count when they ran between two looks; of a process "
            "that is gone only its name is known; empty: those that the pattern may mean, in doubt too many",
            example=["rsync"],
        ),
        Option("short_lived", "bool", True, "count processes that ran between two looks, too"),
    )

    def __init__(self, name: str, values: Mapping[str, Any], table: ProcTable | None = None) -> None:
        super().__init__(name, values)
        self._pattern = re.compile(values["pattern"].encode())
        self._uid = user_id(values.get("user", ""))
        self._names = ProgramNames(values["pattern"], values.get("names", ()))
        self._short: ShortLived | None = None
        self._table = table
        self._found: Wanted | None = None
        self._pidfd: int | None = None
        self._ended: float | None = None
        self._what = ""

    def attach(self, loop: asyncio.AbstractEventLoop, call: Callable[[], None], sources: Sources | None = None) -> None:
        super().attach(loop, call, sources)
        if self.values.get("short_lived", True):
            self._short = ShortLived(self._matches, self._may_be, self._began, loop, call, self.sources)

    def _matches(self, line: bytes, uid: int) -> bool:
        return self._wanted().matches(line, uid)

    def _may_be(self, comm: str, uid: int | None) -> bool:
        """A process of which only the name, and perhaps the user, is known."""
        return (uid is None or self._uid in (None, uid)) and self._names.may_be(comm)

    def _began(self, pid: int, comm: str) -> None:
        self._what = f"{comm} (process {pid}) runs"
        self._hold(pid)

    def _wanted(self) -> Wanted:
        return Wanted(self._pattern, self._uid, self._names.may_be)

    def _passes(self) -> ProcTable:
        return self._table or self.sources.process_table()

    async def ask(self) -> None:
        self._found = None
        if self._pidfd is None:
            self._found = await self._passes().find(self._wanted())

    def look(self, now: float) -> Reading:
        if self._pidfd is not None:
            return self._running(now)
        found, self._found = self._found, None
        if found is None:
            found = self._passes().find_at_once(self._wanted())
        if found.pid:
            self._what = f"{found.command} (process {found.pid}) runs"
            self._hold(found.pid)
            return self._running(now)
        return self._none_runs(now, found.unreadable)

    def _running(self, now: float) -> Reading:
        self._ended = now
        held = self._pidfd is not None
        source = "its pidfd" if held else "one pass of /proc"
        return self.reading(last_active=now, active_now=True, detail=self._what, source=source, calls=held)

    def _none_runs(self, now: float, unreadable: int) -> Reading:
        last, detail, source = self._ended, "no process matches", "one pass of /proc"
        if self._short is not None:
            stamp = self._short.look(now)
            if stamp is not None and (last is None or stamp > last):
                last, detail = stamp, self._short.what
            source = f"{source}, {self._short.source}"
        if unreadable:
            detail += f"; of {unreadable} processes only the name could be read"
        calls = self._short is not None and self._short.calls
        return self.reading(last_active=last, detail=detail, source=source, calls=calls)

    def _hold(self, pid: int) -> None:
        if self.loop is None or self._pidfd is not None:
            return
        try:
            self._pidfd = os.pidfd_open(pid)
        except OSError:
            return  # it ended just now, or the kernel has no pidfd
        self.loop.add_reader(self._pidfd, self._released)

    def _released(self) -> None:
        self._ended = clocks.now()
        self._let_go()
        self.call()

    def arm(self) -> None:
        if self._short is not None and self._pidfd is None:
            self._short.arm()

    def disarm(self) -> None:
        if self._short is not None:
            self._short.disarm()

    def _let_go(self) -> None:
        if self._pidfd is not None and self.loop is not None:
            self.loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = None

    def close(self) -> None:
        self._let_go()
        if self._short is not None:
            self._short.close()
            self._short = None
