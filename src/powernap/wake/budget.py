# SPDX-License-Identifier: GPL-3.0-or-later
"""How many machines may be started at once: a token bucket for all and for each group, and who goes first. Pure."""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from typing import NamedTuple

_NEVER = float("inf")
#: Of a minute's wakes so many may begin at once.
_AT_ONCE = 0.1
#: Below and above these parts of a full bucket a group is short of tokens, and in plenty again.
_LOW, _PLENTY = 0.34, 0.67


class Limit(NamedTuple):
    """Of one group. `per_minute` 0: no limit of its own. Who has the greater `priority` goes first."""

    per_minute: int = 0
    priority: int = 0


class Bucket:
    """Tokens that come back evenly. It may be overdrawn, by what could not be asked for before."""

    def __init__(self, per_minute: int, now: float) -> None:
        self.rate = per_minute / 60
        self.size = max(1.0, per_minute * _AT_ONCE)
        self.tokens = self.size
        self._at = now

    def refill(self, now: float) -> None:
        if now > self._at:
            self.tokens = min(self.size, self.tokens + (now - self._at) * self.rate)
            self._at = now

    def due(self, now: float) -> float:
        """When there is a whole token."""
        self.refill(now)
        # A hair later: rounding must not make a token that is due come a little short of whole, again and again.
        return now if self.tokens >= 1 else now + (1 - self.tokens) / self.rate + 1e-6

    def configured(self, per_minute: int, now: float) -> Bucket:
        """The same, with another rate."""
        new = Bucket(per_minute, now)
        self.refill(now)
        new.tokens = min(new.size, self.tokens)
        return new


class _Place(NamedTuple):
    """In the queue. Orders go before demand, then goes priority, then who came first."""

    demand: bool
    less: int
    number: int
    name: str


class Budget:
    """Who may be woken when. A name that was entered comes out of `take` once, sooner or later, or is left out."""

    def __init__(self, per_minute: int, groups: Mapping[str, Limit], now: float) -> None:
        """`per_minute` 0: no limit but those of the groups."""
        self._all: Bucket | None = None
        self._buckets: dict[str, Bucket] = {}
        self._groups: Mapping[str, Limit] = {}
        self._queues: dict[str, list[_Place]] = {}
        self._places: dict[str, tuple[str, _Place]] = {}
        self._number = 0
        self._short: set[str] = set()
        self.configure(per_minute, groups, now)

    def configure(self, per_minute: int, groups: Mapping[str, Limit], now: float) -> None:
        old = self._all
        if not per_minute:
            self._all = None
        else:
            self._all = old.configured(per_minute, now) if old is not None else Bucket(per_minute, now)
        buckets = {}
        for name, limit in groups.items():
            if limit.per_minute:
                known = self._buckets.get(name)
                buckets[name] = known.configured(limit.per_minute, now) if known else Bucket(limit.per_minute, now)
        self._buckets, self._groups = buckets, dict(groups)

    def __len__(self) -> int:
        """How many wait."""
        return len(self._places)

    def __contains__(self, name: str) -> bool:
        return name in self._places

    def enter(self, name: str, group: str, order: bool) -> None:
        """Queue up; who waits already keeps its place, unless an order gives it a better one."""
        before = self._places.get(name)
        if before is not None and (before[1].demand <= (not order)):
            return
        self._number += 1
        number = before[1].number if before is not None else self._number
        place = _Place(not order, -self._groups.get(group, Limit()).priority, number, name)
        self._places[name] = (group, place)
        heapq.heappush(self._queues.setdefault(group, []), place)

    def leave(self, name: str) -> None:
        self._places.pop(name, None)

    def take(self, now: float) -> str | None:
        """The next that may be woken now; it has its token."""
        if self._all is not None and self._all.due(now) > now:
            return None
        best = None
        for group in list(self._queues):
            head = self._head(group)
            bucket = self._buckets.get(group)
            if head is not None and (bucket is None or bucket.due(now) <= now) and (best is None or head < best[1]):
                best = group, head
        if best is None:
            return None
        group, place = best
        heapq.heappop(self._queues[group])
        del self._places[place.name]
        self._pay(group, 1.0)
        return place.name

    def charge(self, group: str, now: float) -> None:
        """One was woken without being asked for here."""
        self._refill(group, now)
        self._pay(group, 1.0)

    def refund(self, group: str) -> None:
        """One that was to be woken did not need it."""
        self._pay(group, -1.0)

    def due(self, now: float) -> float:
        """When `take` next has somebody; infinity where nobody waits."""
        groups = [group for group in list(self._queues) if self._head(group) is not None]
        if not groups:
            return _NEVER
        first = min(self._buckets[group].due(now) if group in self._buckets else now for group in groups)
        return first if self._all is None else max(first, self._all.due(now))

    def is_short(self, group: str, now: float) -> bool:
        """True from when a group's own tokens (those of all: "") run low until there are plenty again."""
        bucket = self._buckets.get(group) if group else self._all
        if bucket is None:
            self._short.discard(group)
            return False
        bucket.refill(now)
        short = bucket.tokens / bucket.size < (_PLENTY if group in self._short else _LOW)
        if short:
            self._short.add(group)
        else:
            self._short.discard(group)
        return short

    def _head(self, group: str) -> _Place | None:
        queue = self._queues[group]
        # Who left, or has a better place by now, stays in the heap until it comes to its top.
        while queue and self._places.get(queue[0].name) != (group, queue[0]):
            heapq.heappop(queue)
        if not queue:
            del self._queues[group]
            return None
        return queue[0]

    def _refill(self, group: str, now: float) -> None:
        for bucket in (self._all, self._buckets.get(group)):
            if bucket is not None:
                bucket.refill(now)

    def _pay(self, group: str, tokens: float) -> None:
        for bucket in (self._all, self._buckets.get(group)):
            if bucket is not None:
                bucket.tokens = min(bucket.size, max(-bucket.size, bucket.tokens - tokens))
