# SPDX-License-Identifier: GPL-3.0-or-later
"""When the daemon wakes to look: for the deadline or for who called, whichever comes first, and for nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from powernap.machine import clocks, sdnotify


class LookTimer:
    """Times are seconds of CLOCK_BOOTTIME. Whatever calls while a look waits for its turn, no second one waits.

    ``planned``: the engine's deadline; ``called_for``: when the look is due that somebody called for.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, look: Callable[[], None]) -> None:
        self._loop, self._look = loop, look
        self.planned: float | None = None
        self.called_for: float | None = None
        self._looked_at = float("-inf")
        self._waiting = False
        self._timer: asyncio.TimerHandle | None = None

    def plan(self, at: float | None) -> None:
        """Look at that time; None: only when something calls. A call that came before is not put off."""
        self.planned = at
        self._set()

    def call(self, gap: float) -> None:
        """Look soon, but not sooner than that many seconds after the last look: not for every one of many calls."""
        now = clocks.now()
        at = min(max(now, self._looked_at + gap), now + gap)  # whatever the clock said at the last look
        self.called_for = at if self.called_for is None else min(at, self.called_for)
        self._set()

    def begins(self) -> None:
        """A look begins, which answers all calls until now and ends in a plan; later calls want another."""
        self.cancel()
        self._waiting = False
        self.planned = self.called_for = None

    def looked(self, at: float) -> None:
        self._looked_at = at

    def cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    @property
    def running(self) -> bool:
        """True where there will be a look though nothing calls."""
        return self._timer is not None or self._waiting

    def _set(self) -> None:
        self.cancel()
        if self._waiting:
            return
        now = clocks.now()
        times = [at for at in (self.planned, self.called_for) if at is not None]
        wait = max(0.0, min(times) - now) if times else None
        if wait is not None:
            self._timer = self._loop.call_later(wait, self._due)
        sdnotify.cover(wait)

    def _due(self) -> None:
        self._timer = None
        self._waiting = True
        self._look()
