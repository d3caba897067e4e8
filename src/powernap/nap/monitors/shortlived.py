# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes that begin and end between two looks: by the kernel's ledger of names, else by the proc connector."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from powernap.machine import clocks
from powernap.nap.sources import Sources

if TYPE_CHECKING:
    from powernap.machine.ledgers import Book
    from powernap.machine.procconnector import Executed

UNNAMED = "a process that ended before its name could be read"


class ShortLived:
    """When a matching process last began or ended. ``source`` says who tells, and why nobody better does.

    The proc connector tells of the beginning only, so ``began`` is called with a match that still runs. Where more
    programs begin than can be looked at one by one it is left alone until the next look, and the time until then counts
    as active: in doubt the machine stays awake.
    """

    def __init__(
        self,
        matches: Callable[[bytes, int], bool],
        may_be: Callable[[str, int | None], bool],
        began: Callable[[int, str], None],
        loop: asyncio.AbstractEventLoop,
        call: Callable[[], None],
        sources: Sources,
    ) -> None:
        self._matches, self._may_be, self._began = matches, may_be, began
        self._loop, self._call, self._sources = loop, call, sources
        self._book: Book | None = None
        self._new = 0
        self._last: float | None = None
        self._doubt = False
        self._armed = False
        self._always = False
        self._listens = False
        self.what = ""
        self.source = "eBPF ledger of names"
        try:
            self._book = sources.process_book()
        except OSError as error:
            self.source = self._instead(error.strerror or str(error))

    def _instead(self, why: str) -> str:
        try:
            self._listen()
        except OSError as error:
            return f"none of what runs between looks (no eBPF: {why}; no proc connector: {error.strerror or error})"
        self._always = True
        return f"proc connector (no eBPF: {why})"

    @property
    def calls(self) -> bool:
        """True while it calls at once."""
        return self._armed and self._listens

    def look(self, now: float) -> float | None:
        """Return when a matching process last began or ended, as far as is known. Raises OSError."""
        if self._book is not None:
            self._read(self._book, now)
        elif self._doubt:
            self._note(now, "so many programs begin that not each could be looked at")
        self._doubt = False
        if self._armed or self._always:
            self._listen_if_possible()
        return self._last

    def _read(self, book: Book, now: float) -> None:
        from powernap.machine.ledgers import MOST_NEW_NAMES

        names, new = book.read(now)
        for name in names:
            if (self._last is None or name.last > self._last) and self._may_be(name.comm, name.uid):
                self._note(name.last, f"{name.comm} began or ended")
        if new - self._new > MOST_NEW_NAMES:
            self._note(now, f"programs of {new - self._new} new names began, more than the ledger keeps")
        self._new = new

    def _note(self, when: float, what: str) -> None:
        if self._last is None or when > self._last:
            self._last, self.what = when, what

    # --- the proc connector

    def executed(self, process: Executed) -> None:
        if self._book is not None and not process.comm:
            self._look_it_up(self._book)
            return
        if process.line:
            matched, what = self._matches(process.line, process.uid), process.comm
        elif process.comm:
            matched, what = self._may_be(process.comm, None), process.comm
        else:
            matched, what = True, UNNAMED
        if not matched:
            return
        self._note(clocks.now(), f"{what} began" if process.comm else what)
        if process.line:
            self._began(process.pid, what)
        if self._armed:
            self._call()

    def _look_it_up(self, book: Book) -> None:
        """The ledger knows the name of what has ended."""
        before = self._last
        self._read(book, clocks.now())
        if self._armed and self._last != before:
            self._call()

    def too_many(self) -> None:
        self._listens = False
        self._doubt = True
        if self._armed:
            self._call()

    def _listen(self) -> None:
        self._sources.executions(self._loop).add(self)
        self._listens = True

    def _listen_if_possible(self) -> None:
        try:
            self._listen()
        except OSError:
            self._listens = False

    def _stop(self) -> None:
        if self._listens:
            self._sources.executions(self._loop).remove(self)
        self._listens = False

    def arm(self) -> None:
        """Call at the next match, as far as the proc connector can be had."""
        if self._armed:
            return
        self._armed = True
        self._listen_if_possible()
        if self._book is not None:
            self._look_it_up(self._book)  # it may have begun between the look and now

    def disarm(self) -> None:
        self._armed = False
        if not self._always:
            self._stop()

    def close(self) -> None:
        self._armed = False
        self._stop()
