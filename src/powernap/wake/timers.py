# SPDX-License-Identifier: GPL-3.0-or-later
"""One timer of the event loop for the deadlines of all hosts."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable

_NEVER = float("inf")
_AT_ONCE = 16


class Timers:
    """`due(name)` is called once a host's deadline has passed; a deadline set anew replaces the one before."""

    def __init__(self, clock: Callable[[], float], due: Callable[[str], None]) -> None:
        self._clock = clock
        self._due = due
        self._deadlines: dict[str, float] = {}
        self._heap: list[tuple[float, str]] = []
        self._handle: asyncio.TimerHandle | None = None
        self._armed_for = _NEVER

    def set(self, name: str, deadline: float) -> None:
        if self._deadlines.get(name, _NEVER) == deadline:
            return
        if deadline == _NEVER:
            self._deadlines.pop(name, None)
            return
        self._deadlines[name] = deadline
        heapq.heappush(self._heap, (deadline, name))
        self._arm()

    def close(self) -> None:
        if self._handle is not None:
            self._handle.cancel()

    def _arm(self) -> None:
        # What was replaced stays in the heap until it comes to its top.
        while self._heap and self._deadlines.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        first = self._heap[0][0] if self._heap else _NEVER
        if self._handle is not None:
            if first == self._armed_for:
                return
            self._handle.cancel()
            self._handle = None
        self._armed_for = first
        if first != _NEVER:
            self._handle = asyncio.get_running_loop().call_later(max(0.0, first - self._clock()), self._fire)

    def _fire(self) -> None:
        self._handle = None
        now = self._clock()
        names: list[str] = []
        # A few at a time: requests and frames are not to wait for a whole crowd that goes to sleep at once.
        while self._heap and self._heap[0][0] <= now and len(names) < _AT_ONCE:
            deadline, name = heapq.heappop(self._heap)
            if self._deadlines.get(name) == deadline:
                del self._deadlines[name]
                names.append(name)
        for name in names:
            self._due(name)
        self._arm()
