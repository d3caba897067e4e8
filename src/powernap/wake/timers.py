# SPDX-License-Identifier: GPL-3.0-or-later
"""One timer of the event loop for the deadlines of all hosts."""

from __future__ import annotations

import asyncio
import heapq
import math
from collections.abc import Callable

_NEVER = float("inf")
_AT_ONCE = 16
#: The least that deadlines may be late.
LATE_SECONDS = 0.025


class Timers:
    """`due(name)` is called once a host's deadline has passed; a deadline set anew replaces the one before.

    `first()` is called before: what it learns may set deadlines anew. Who has slept over a deadline knows nothing of
    the time until then.
    Deadlines that may be late are met together: to wake a process up, its caches cold, costs more than what it does.
    """

    def __init__(
        self, clock: Callable[[], float], due: Callable[[str], None], first: Callable[[], None] = lambda: None
    ) -> None:
        self._clock = clock
        self._due = due
        self._first = first
        self._deadlines: dict[str, float] = {}
        self._heap: list[tuple[float, str]] = []
        self._handle: asyncio.TimerHandle | None = None
        self._armed_for = _NEVER
        self._firing = False

    def set(self, name: str, deadline: float, late: float = LATE_SECONDS) -> None:
        """`late`: so many seconds late at most."""
        if deadline != _NEVER:
            deadline = max(deadline, late * math.ceil(deadline / late))
        if self._deadlines.get(name, _NEVER) == deadline:
            return
        if deadline == _NEVER:
            self._deadlines.pop(name, None)
            return
        self._deadlines[name] = deadline
        heapq.heappush(self._heap, (deadline, name))
        if deadline < self._armed_for and not self._firing:
            self._arm()

    def close(self) -> None:
        if self._handle is not None:
            self._handle.cancel()

    def _arm(self) -> None:
        # What was replaced stays in the heap until it comes to its top.
        while self._heap and self._deadlines.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        self._armed_for = self._heap[0][0] if self._heap else _NEVER
        if self._armed_for != _NEVER:
            delay = max(0.0, self._armed_for - self._clock())
            self._handle = asyncio.get_running_loop().call_later(delay, self._fire)

    def _fire(self) -> None:
        self._handle = None
        self._firing = True
        now = self._clock()
        try:
            try:
                self._first()
            finally:
                self._meet(now)
        finally:
            self._firing = False
            self._arm()

    def _meet(self, now: float) -> None:
        names: list[str] = []
        # A few at a time: requests and frames are not to wait for a whole crowd that goes to sleep at once.
        while self._heap and self._heap[0][0] <= now and len(names) < _AT_ONCE:
            deadline, name = heapq.heappop(self._heap)
            if self._deadlines.get(name) == deadline:
                del self._deadlines[name]
                names.append(name)
        for name in names:
            self._due(name)
