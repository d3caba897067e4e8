# SPDX-License-Identifier: GPL-3.0-or-later
"""Look for processes by their command lines: one pass of /proc for everybody who looks at the same time."""

from __future__ import annotations

import asyncio
import os
import re
import resource
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

COMMAND_LINE_BYTES = 4096
#: To open a command line costs more than to read it, so those of so many processes stay open.
HELD = 512
#: The event loop gets its turn after so many processes: about 5 ms.
A_TURN = 500
SHOWN = 80


@dataclass
class Wanted:
    """What is looked for, and, after the pass, what was found.

    ``may_be``: judges by the kernel's name of a process whose command line cannot be read.
    """

    pattern: re.Pattern[bytes]
    uid: int | None = None
    may_be: Callable[[str], bool] = field(default=lambda comm: False)
    pid: int = 0
    command: str = ""
    unreadable: int = 0

    def matches(self, line: bytes, uid: int | None) -> bool:
        return (self.uid is None or uid == self.uid) and self.pattern.search(line) is not None


class CommandLines:
    """Reads command lines; the first ``limit`` files of a pass stay open for the next. Such a file is one process's,
    also when its number is another's by now, and shows what that process executes or writes there meanwhile."""

    def __init__(self, proc: str, limit: int = 0) -> None:
        self._proc, self._limit = proc, limit
        self._old: dict[str, int] = {}
        self._new: dict[str, int] = {}

    def read(self, entry: str) -> bytes:
        """Return the arguments joined by spaces. Raises OSError: ENOENT or ESRCH where the process has gone."""
        fd = self._old.pop(entry, -1)
        if fd >= 0:
            try:
                line = os.pread(fd, COMMAND_LINE_BYTES, 0)
            except ProcessLookupError:  # it has gone: another may have its number
                os.close(fd)
            except OSError:
                os.close(fd)
                raise
            else:
                self._new[entry] = fd
                return _joined(line)
        fd = os.open(f"{self._proc}/{entry}/cmdline", os.O_RDONLY | os.O_CLOEXEC)
        held = False
        try:
            line = os.read(fd, COMMAND_LINE_BYTES)
            held = len(self._old) + len(self._new) < self._limit
        finally:
            if held:
                self._new[entry] = fd
            else:
                os.close(fd)
        return _joined(line)

    def passed(self, whole: bool) -> None:
        """A pass is over; after a whole one those that were not asked for have gone."""
        if whole:
            for fd in self._old.values():
                os.close(fd)
            self._old.clear()
        self._old.update(self._new)
        self._new.clear()

    def close(self) -> None:
        """Close all, and hold none from now on."""
        self._limit = 0
        for files in (self._old, self._new):
            for fd in files.values():
                os.close(fd)
            files.clear()

    def __del__(self) -> None:
        self.close()


class ProcTable:
    """Passes of /proc; one at a time, so that no monitor's costs another's."""

    def __init__(self, proc: str = "/proc") -> None:
        self._proc = proc
        self._lines = CommandLines(proc, min(HELD, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2))
        self._waiting: list[Wanted] = []
        self._pass: asyncio.Task[None] | None = None

    async def find(self, wanted: Wanted) -> Wanted:
        """Fill in what is found, in a pass together with all others who ask now. Raises OSError without /proc."""
        while self._pass is not None and not self._waiting:
            await asyncio.wait([self._pass])  # that one is already on its way, and may be past it
        self._waiting.append(wanted)
        if self._pass is None or self._pass.done():
            self._pass = asyncio.ensure_future(self._run())
        await asyncio.shield(self._pass)
        return wanted

    async def _run(self) -> None:
        await asyncio.sleep(0)  # let the others ask
        together, self._waiting = self._waiting, []
        try:
            for _turn in scan(together, self._proc, self._lines):
                await asyncio.sleep(0)
        finally:
            self._pass = None

    def find_at_once(self, wanted: Wanted) -> Wanted:
        """The same without an event loop."""
        for _turn in scan([wanted], self._proc, CommandLines(self._proc)):
            pass
        return wanted

    def close(self) -> None:
        """Give everything back."""
        self._lines.close()


def scan(together: list[Wanted], proc: str, lines: CommandLines) -> Iterator[None]:
    """Fill in what is found, the first match for each; yields now and then. This process itself never matches."""
    own = str(os.getpid())
    left = list(together)
    whole = False
    try:
        for number, entry in enumerate(_processes(proc), 1):
            if number % A_TURN == 0:
                yield
            if entry == own:
                continue
            try:
                line = lines.read(entry)
                matched = [wanted for wanted in left if line and _fits(wanted, proc, entry, line)]
            except (FileNotFoundError, ProcessLookupError):
                continue  # it has gone
            except OSError:
                matched = [wanted for wanted in left if _unreadable(wanted, proc, entry)]
            if matched:
                left = [wanted for wanted in left if not any(wanted is found for found in matched)]
                if not left:
                    return
        whole = True
    finally:
        lines.passed(whole)


def _processes(proc: str) -> list[str]:
    return [name for name in os.listdir(proc) if name.isdigit()]  # noqa: PTH208  # thousands of names as text


def command_line(folder: str) -> tuple[bytes, int]:
    """Return a process's arguments joined by spaces, empty for kernel threads and what has ended, and its user."""
    fd = os.open(f"{folder}/cmdline", os.O_RDONLY | os.O_CLOEXEC)
    try:
        return _joined(os.read(fd, COMMAND_LINE_BYTES)), os.fstat(fd).st_uid
    finally:
        os.close(fd)


def _joined(line: bytes) -> bytes:
    return line.rstrip(b"\0").replace(b"\0", b" ")


def comm(folder: str) -> str:
    """Return the kernel's name of a process: at most 15 bytes, which all may read."""
    fd = os.open(f"{folder}/comm", os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(fd, 64).rstrip(b"\n").decode(errors="replace")
    finally:
        os.close(fd)


def _fits(wanted: Wanted, proc: str, entry: str, line: bytes) -> bool:
    """Raises FileNotFoundError for what has gone."""
    if wanted.pattern.search(line) is None:
        return False
    if wanted.uid is not None:
        uid = os.stat(f"{proc}/{entry}/cmdline").st_uid  # noqa: PTH116  # once for each process that matches
        if uid != wanted.uid and (uid != 0 or _user(f"{proc}/{entry}") != wanted.uid):
            return False
    wanted.pid, wanted.command = int(entry), line[:SHOWN].decode(errors="replace")
    return True


def _user(folder: str) -> int | None:
    """Return the effective user; /proc's files of a process that may not be dumped are root's, proc(5)."""
    try:
        fd = os.open(f"{folder}/status", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        found = re.search(rb"^Uid:\s+\d+\s+(\d+)", os.read(fd, COMMAND_LINE_BYTES), re.MULTILINE)
    finally:
        os.close(fd)
    return int(found[1]) if found else None


def _unreadable(wanted: Wanted, proc: str, entry: str) -> bool:
    """Some containers refuse even root (EPERM): then the name decides."""
    wanted.unreadable += 1
    try:
        name = comm(f"{proc}/{entry}")
    except OSError:
        return False
    if not wanted.may_be(name):
        return False
    wanted.pid, wanted.command = int(entry), name
    return True
