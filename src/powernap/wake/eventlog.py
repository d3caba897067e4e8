# SPDX-License-Identifier: GPL-3.0-or-later
"""The last events of all hosts, numbered, for people and programs that follow what happens."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections import deque
from contextlib import suppress
from itertools import islice
from typing import Any

_log = logging.getLogger(__name__)
_KEPT = 1000
_WARNINGS = ("alert", "conflict", "expired")


class EventLog:
    """`last`: the number of the last event; `first`: of the oldest that is kept, or of the one to come.

    Lines for the journal are gathered over one turn of the event loop: each write costs more than the rest. While
    `gathers` they wait for `flush`.
    """

    def __init__(self) -> None:
        self._events: deque[dict[str, Any]] = deque(maxlen=_KEPT)
        self.last = 0
        self.closed = False
        self.gathers = False
        self._lines: list[str] = []
        self._followers: set[asyncio.Future[None]] = set()

    @property
    def first(self) -> int:
        return self.last - len(self._events) + 1

    def add(self, time: float, host: str, event: str, detail: str = "") -> None:
        """`time`: Unix time. `host` is empty where it concerns none."""
        self.last += 1
        self._events.append({"id": self.last, "time": time, "host": host, "event": event, "detail": detail})
        if self._followers:
            self._tell()
        line = ": ".join(part for part in (host, event, detail) if part)
        if event in _WARNINGS:
            self.flush()
            _log.warning("%s", line)
            return
        if not self._lines and not self.gathers:
            asyncio.get_running_loop().call_soon(self.flush)
        self._lines.append(line)

    def flush(self) -> None:
        """Write what has been gathered."""
        if not self._lines:
            return
        text = "\n".join(self._lines)
        self._lines.clear()
        with suppress(OSError, ValueError):  # as logging does, whose records cost several times what is written here
            sys.stderr.write(f"{text}\n")

    def since(self, number: int) -> dict[str, Any]:
        """Events after `number`; give `next` as the number of the next call."""
        return {"events": list(islice(self._events, max(0, number + 1 - self.first), None)), "next": self.last}

    async def more(self, number: int, seconds: float) -> bool:
        """Wait until there is an event after `number`; False where none came in that time, or this has closed."""
        if self.last <= number and not self.closed:
            follower: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._followers.add(follower)
            await asyncio.wait([follower], timeout=seconds)
            self._followers.discard(follower)
        return self.last > number

    def close(self) -> None:
        """Nobody shall wait any longer."""
        self.closed = True
        self.flush()
        self._tell()

    def _tell(self) -> None:
        for follower in self._followers:
            if not follower.done():
                follower.set_result(None)
        self._followers.clear()
