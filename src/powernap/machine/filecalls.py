# SPDX-License-Identifier: GPL-3.0-or-later
"""Be called when something happens to files: one inotify instance on the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from powernap.machine.inotify import CREATE, DELETE, Inotify

# linux/inotify.h, beside those of machine/inotify.py
MODIFY, ATTRIB, CLOSE_WRITE, CLOSE_NOWRITE, OPEN = 0x2, 0x4, 0x8, 0x10, 0x20
MOVED_FROM, MOVED_TO, DELETE_SELF = 0x40, 0x80, 0x400
#: An entry of a folder comes, goes or gets another name.
ENTRIES = CREATE | DELETE | MOVED_FROM | MOVED_TO


class FileCalls:
    """``wanted``: (path, mask) each. Calls once for whatever happened together. Raises OSError where one is missing."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, wanted: Iterable[tuple[str, int]], call: Callable[[], None]
    ) -> None:
        self._loop, self._call = loop, call
        self._inotify: Inotify | None = Inotify()
        try:
            for path, mask in wanted:
                self._inotify.watch(path, mask)
        except OSError:
            self._inotify.close()
            raise
        loop.add_reader(self._inotify.fd, self._happened)

    def _happened(self) -> None:
        if self._inotify is not None and self._inotify.drain():
            self._call()

    def close(self) -> None:
        """Call no more."""
        if self._inotify is not None:
            self._loop.remove_reader(self._inotify.fd)
            self._inotify.close()
            self._inotify = None
