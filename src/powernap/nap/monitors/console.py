# SPDX-License-Identifier: GPL-3.0-or-later
"""Active when somebody types at a terminal."""

from __future__ import annotations

import asyncio
import fnmatch
import glob
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from powernap.machine import clocks, hands, views
from powernap.machine.filecalls import MODIFY
from powernap.machine.inotify import ACCESS, CREATE, DELETE, Inotify
from powernap.nap.evidence import Reading
from powernap.nap.monitors.base import Monitor
from powernap.nap.sources import Sources
from powernap.shared.schema import Option

PTS = "/dev/pts"
PATHS = (f"{PTS}/[0-9]*", "/dev/tty[0-9]*", "/dev/ttyS*", "/dev/ttyAMA*", "/dev/ttyUSB*", "/dev/hvc*", "/dev/console")
#: The kernel moves a terminal's times only when that changes more than the low three bits (tty_update_time), so a time
#: read there may hide keys of up to 8 s later.
STEP_SECONDS = 8.0
#: A wall clock that moved against CLOCK_BOOTTIME by more than this was set.
WALL_STEP_SECONDS = 1.0


class ConsoleMonitor(Monitor):
    """The access time of every terminal: what is read there, somebody typed. With output the time of writing counts,
    too. The keys of a local keyboard, also under a graphical desktop, are the business of the input monitor.

    Access times are wall-clock times: each is turned into CLOCK_BOOTTIME once, when it is first seen changed, and
    counts as now where the wall clock was set meanwhile. That a terminal opens or closes is activity, too, and calls.
    """

    kind = "console"
    summary = "somebody types at a terminal (console, serial line, ssh session, terminal window)"
    options = (
        Option("paths", "strs", PATHS, "terminals; * and [0-9] stand for many", example=[f"{PTS}/[0-9]*"]),
        Option(
            "output",
            "bool",
            False,
            "count what programs write to a terminal, too; a warning of kind wall does so and would cancel itself",
        ),
    )

    def __init__(self, name: str, values: Mapping[str, Any], wall: Callable[[], float] = time.time) -> None:
        super().__init__(name, values)
        self._paths = tuple(values.get("paths", PATHS))
        self._found = finder(self._paths)
        self._output = values.get("output", False)
        self._wall = wall
        self._seen: dict[tuple[str, int], float] | None = None
        self._distance = 0.0
        self._last: float | None = None
        self._told: float | None = None
        self._what = ""
        self._openings: Inotify | None = None
        self._keys: Inotify | None = None

    def attach(self, loop: asyncio.AbstractEventLoop, call: Callable[[], None], sources: Sources | None = None) -> None:
        super().attach(loop, call, sources)
        if not any(path.startswith(PTS) for path in self._paths):
            return
        try:
            self._openings = Inotify()
            self._openings.watch(PTS, CREATE | DELETE)
        except OSError:
            self._openings = None
            return
        loop.add_reader(self._openings.fd, self._opened)

    def look(self, now: float) -> Reading:
        self._told = None
        stamps = self._stamps()
        distance = self._wall() - now
        was_set = abs(distance - self._distance) > WALL_STEP_SECONDS
        for key, stamp in stamps.items() if self._seen is not None else ():
            if self._seen is not None and self._seen.get(key) != stamp:
                typed = now if was_set else stamp + STEP_SECONDS - distance
                self._note(min(typed, now + STEP_SECONDS), key[0])
        for path, _inode in (self._seen or {}).keys() - stamps.keys():
            self._note(now, f"{path} (closed)")
        self._seen, self._distance = stamps, distance
        detail = f"{len(stamps)} terminals" + (f", last used: {self._what}" if self._what else "")
        last = None if self._last is None else min(self._last, now)
        return self.reading(
            last_active=last, detail=detail, source="access times of terminals", calls=self._keys is not None
        )

    def told(self) -> float | None:
        return self._told

    def _note(self, when: float, what: str) -> None:
        if self._last is None or when > self._last:
            self._last, self._what = when, what

    def _terminals(self) -> list[str]:
        return list(self._found())

    def _stamps(self) -> dict[tuple[str, int], float]:
        stamps = {}
        for path in self._terminals():
            try:
                status = os.stat(seen(path))  # noqa: PTH116  # of 64 terminals and more at each look
            except OSError:
                continue  # closed meanwhile
            stamps[path, status.st_ino] = max(status.st_atime, status.st_mtime) if self._output else status.st_atime
        return stamps

    def _opened(self) -> None:
        if self._openings is not None and self._openings.drain():
            self._told = clocks.now()
            self._note(self._told, "a terminal that opened or closed")
            if self._keys is not None:
                self.disarm()
                self.call()

    def arm(self) -> None:
        if self._keys is not None or self.loop is None:
            return
        try:
            if hands.needed():  # only who may read a terminal may watch it
                self._keys = self._watched_by_hands()
            else:
                self._keys = Inotify()
                self.watch_keys(self._keys)
        except OSError:
            self.disarm()  # a terminal that vanished, or no watches left: the looks go on
            return
        self.loop.add_reader(self._keys.fd, self._typed)

    def watch_keys(self, keys: Inotify) -> None:
        """Raises OSError."""
        for path in self._terminals():
            keys.watch(path, ACCESS | MODIFY if self._output else ACCESS)

    def _watched_by_hands(self) -> Inotify:
        """Raises OSError."""
        try:
            return Inotify(hands.ask("terminals", monitor=self.name).file())
        except hands.HandsError as error:
            raise OSError(str(error)) from None

    def _typed(self) -> None:
        self._note(clocks.now(), "a terminal that was typed at")  # its times may hide it for STEP_SECONDS
        self.disarm()
        self.call()

    def disarm(self) -> None:
        if self._keys is not None and self.loop is not None:
            self.loop.remove_reader(self._keys.fd)
            self._keys.close()
        self._keys = None

    def close(self) -> None:
        self.disarm()
        if self._openings is not None and self.loop is not None:
            self.loop.remove_reader(self._openings.fd)
            self._openings.close()
        self._openings = None


def seen(path: str) -> str:
    """Return the path by which a terminal is seen; those in /dev/pts are not hidden. Raises OSError."""
    if not hands.needed() or not path.startswith("/dev/") or path.startswith(f"{PTS}/"):
        return path
    return views.path("dev") + path[len("/dev") :]


def finder(patterns: Iterable[str]) -> Callable[[], Iterator[str]]:
    """Return what finds the files that are there, as glob does for each pattern, but reads each folder only once."""
    elsewhere = []
    expressions: dict[str, list[str]] = {}
    for pattern in patterns:
        folder, _slash, name = pattern.rpartition("/")
        if glob.has_magic(folder):
            elsewhere.append(pattern)
        else:
            expressions.setdefault(f"{folder}/", []).append(fnmatch.translate(name))
    folders = {folder: re.compile("|".join(several)).match for folder, several in expressions.items()}

    def found() -> Iterator[str]:
        for folder, fits in folders.items():
            try:
                names = os.listdir(seen(folder))  # noqa: PTH208  # paths as text, of a folder with hundreds of files
            except OSError:
                continue  # as glob does
            yield from (folder + name for name in names if fits(name))
        for pattern in elsewhere:
            yield from glob.iglob(pattern)

    return found
