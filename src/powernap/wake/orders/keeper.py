# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is let go to sleep: the one place where that is decided, which counts those that are on their way.

A machine that is let go counts as gone from then on, until it is seen to sleep, says that it is awake, or its time is
over; so that of two that ask at once not both go where one has to stay.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import NamedTuple

from powernap.config.wake import WakeConfig
from powernap.config.wake.groups import GroupSettings
from powernap.wake.budget import Bucket
from powernap.wake.orders.policy import Asker, Dependencies, Group, Refusal, Rules, may_nap
from powernap.wake.orders.windows import parse_window
from powernap.wake.presence import Condition
from powernap.wake.refusals import Conflict

#: A machine that is let go has registered by then, or has changed its mind.
LEAVE_SECONDS = 120.0
_PURGE_SECONDS = 1.0


class NotNow(Conflict):
    """A nap that the site's policy refuses for now; `again_seconds`: when it is worth asking again."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(f"{refusal.why}: try again in {refusal.again_seconds:.0f} s")
        self.again_seconds = refusal.again_seconds


class _Leave(NamedTuple):
    group: str
    counted: bool
    ends: float


def rules_of(group: GroupSettings) -> Rules:
    """Raises BadWindow."""
    return Rules(
        group.keep_awake,
        group.keep_awake_percent,
        group.naps_per_minute,
        group.needs,
        tuple(map(parse_window, group.nap_windows)),
        tuple(map(parse_window, group.no_nap_windows)),
        tuple(map(parse_window, group.awake_windows)),
    )


_NO_RULES = Rules()


class Keeper:
    """`up(group)`: how many are known to be up; `waking(group)`. `is_up(number)`. `size(group)`: of all registered.

    `mark(name)`: why the canary of a machine failed, or "". `settled()`: who is up has been found out since the start.
    """

    def __init__(
        self,
        config: WakeConfig,
        up: Callable[[str], int],
        waking: Callable[[str], int],
        is_up: Callable[[int], bool],
        size: Callable[[str], int],
        mark: Callable[[str], str],
        settled: Callable[[], bool],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._up, self._waking, self._is_up, self._size = up, waking, is_up, size
        self._mark, self._settled, self._clock = mark, settled, clock
        #: Why a machine, by number and group, waits for another's canary; "" where it does not.
        self.unproven: Callable[[int, str], str] = lambda number, group: ""
        self._leaves: dict[str, _Leave] = {}
        self._leaving: Counter[str] = Counter()
        self._sizes: dict[str, int] = {}
        self._buckets: dict[str, Bucket] = {}
        self._purged = 0.0
        self.configure(config)

    def configure(self, config: WakeConfig) -> None:
        self.rules: Mapping[str, Rules] = {name: rules_of(group) for name, group in config.groups.items()}
        self.dependencies = Dependencies({name: rules.needs for name, rules in self.rules.items() if rules.needs})
        now, buckets = time.monotonic(), {}
        for name, rules in self.rules.items():
            if rules.naps_per_minute:
                known = self._buckets.get(name)
                new = known.configured(rules.naps_per_minute, now) if known else Bucket(rules.naps_per_minute, now)
                buckets[name] = new
        self._buckets = buckets
        self._proven = config.policy.proven

    def trial(self) -> Keeper:
        """One that decides alike, whose decisions have no consequence."""
        other = Keeper.__new__(Keeper)
        other.__dict__.update(self.__dict__)
        other._leaves, other._leaving = dict(self._leaves), Counter(self._leaving)
        other._buckets = {name: _copy(bucket) for name, bucket in self._buckets.items()}
        return other

    def let_go(self, name: str, number: int, group: str, canary: bool = False) -> None:
        """The machine may sleep, and counts as on its way; `canary`: to prove that it wakes. Raises NotNow."""
        now = self._clock()
        self._purge(now)
        if name in self._leaves:
            return
        refusal = self._refusal(name, number, group, now, canary)
        if refusal is not None:
            raise NotNow(refusal)
        bucket = self._buckets.get(group)
        if bucket is not None:
            bucket.tokens -= 1
        leave = _Leave(group, self._is_up(number), now + LEAVE_SECONDS)
        self._leaves[name] = leave
        self._leaving[group] += leave.counted

    def give_back(self, name: str) -> None:
        """The machine does not sleep after all, or is seen to, and is no longer counted as up."""
        leave = self._leaves.pop(name, None)
        if leave is not None:
            self._leaving[leave.group] -= leave.counted

    def changed(self, name: str, group: str, condition: Condition) -> None:
        """What a machine is has changed: it is counted as that now."""
        if not condition.is_up:
            self.give_back(name)

    def resized(self) -> None:
        """A machine was registered, forgotten or put into another group."""
        self._sizes.clear()

    def _refusal(self, name: str, number: int, group: str, now: float, canary: bool) -> Refusal | None:
        mark = self._mark(name) if self._proven else ""
        unproven = "" if canary else self.unproven(number, group)
        needing = self.dependencies.needing(name, group) if self.dependencies.needs else ()
        rules = self.rules.get(group, _NO_RULES)
        if rules is _NO_RULES and not needing and not mark and not unproven:
            return None
        bucket, wait = self._buckets.get(group), 0.0
        if bucket is not None:
            moment = time.monotonic()
            wait = bucket.due(moment) - moment
        asker = Asker(
            name,
            self._is_up(number),
            mark,
            tuple(each for each in needing if self._up(each) + self._waking(each) > 0),
            () if self._settled() else needing,
            unproven,
        )
        here = Group(group, self._machines(group, rules), self._up(group), self._leaving[group], now + wait)
        return may_nap(asker, here, rules, now)

    def _machines(self, group: str, rules: Rules) -> int:
        if not rules.keeps:
            return 0
        if group not in self._sizes:
            self._sizes[group] = self._size(group)
        return self._sizes[group]

    def _purge(self, now: float) -> None:
        if now - self._purged < _PURGE_SECONDS and now >= self._purged:
            return
        self._purged = now
        for name in [name for name, leave in self._leaves.items() if leave.ends <= now]:
            self.give_back(name)


def _copy(bucket: Bucket) -> Bucket:
    other = Bucket.__new__(Bucket)
    other.__dict__.update(bucket.__dict__)
    return other
