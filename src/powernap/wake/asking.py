# SPDX-License-Identifier: GPL-3.0-or-later
"""How many hosts one source may wake: a scan of all addresses must not wake them all. Pure.

A source is an IP address: behind a router all have one MAC. Whoever changes his address meets the budget of the group.
"""

from __future__ import annotations

from collections import OrderedDict

_MOST = 4096


class Asking:
    """A token bucket for each source, of at most 4,096: who asked longest ago is forgotten first."""

    def __init__(self, per_minute: int) -> None:
        """`per_minute`: as many at once, too; 0: no limit."""
        self.per_minute = per_minute
        self._buckets: OrderedDict[bytes, tuple[float, float]] = OrderedDict()

    def may_wake(self, source: bytes, now: float) -> bool:
        """True where the source may wake one more host now, which is taken off what it may."""
        if not self.per_minute:
            return True
        tokens, at = self._buckets.pop(source, (float(self.per_minute), now))
        tokens = min(float(self.per_minute), tokens + max(0.0, now - at) * self.per_minute / 60)
        may = tokens >= 1
        self._buckets[source] = (tokens - 1 if may else tokens, now)
        if len(self._buckets) > _MOST:
            self._buckets.popitem(last=False)
        return may
