# SPDX-License-Identifier: GPL-3.0-or-later
"""Rates of counters against a threshold above a learned noise floor. Pure: times and counters are arguments.

A monitor that reads counters hands every look to a ``RateGauge``::

    verdict = gauge.look(now, {"eth0": bytes_so_far}, slept=seconds_slept, others_active=False)

A rate is the mean over the time between two looks. Nothing is known at the first look, after a sleep (the time asleep
would thin the rate out) or after a step of the clock back: then the next look begins anew. A counter that appears
later began at zero; one that fell was reset or wrapped at 32 bits.

Noise is what a source does while everything else on the machine is idle: broadcasts, a heartbeat, a log. Its floor is
the median of such rates, and a rate is activity when it exceeds floor plus threshold. A rate above ``noise_limit`` is
never learned; as that is the threshold unless it is set higher, nothing that alone is activity raises the floor, and
no threshold is more than doubled.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from powernap.shared.schema import Option

#: Looks closer together than this are taken as one: a single frame within 0.1 s is no rate.
SHORTEST_SECONDS = 1.0
#: A rate over less than this is not learned: it swings too much.
LEARN_SECONDS = 5.0
#: So many rates are remembered, and a floor is the median of at least so many.
MEMORY, ENOUGH = 120, 10
#: Sources whose noise is remembered though they are gone (a NIC that is plugged in and out).
MOST_SOURCES = 256
WRAP = 1 << 32
_STEPS = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def rate_options(threshold: float, unit: str, example: float) -> tuple[Option, ...]:
    """Return the options that every monitor of a rate has."""
    return (
        Option(
            "threshold",
            "float",
            threshold,
            "a rate above it is activity; a mean over the time between two looks, absent_seconds / looks_per_period",
            unit=unit,
            minimum=0,
            example=example,
        ),
        Option(
            "learn", "bool", True, "add the noise to the threshold: what is there while all other monitors are idle"
        ),
        Option(
            "noise_limit",
            "float",
            0,
            "a rate above it is never learned as noise; 0: the threshold, so that no activity is learned away",
            unit=unit,
            minimum=0,
            example=2 * threshold,
        ),
    )


class Counters:
    """Turns readings of counters into rates per second."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._now = 0.0
        self._values: dict[str, float] = {}
        self._amounts: dict[str, float] = {}

    def rates(self, now: float, values: Mapping[str, float], slept: float = 0.0) -> tuple[float, dict[str, float]]:
        """Return over how many seconds the rates are, and them by name; (0.0, {}) where there is nothing to compare.

        ``slept``: seconds since the last look during which the machine slept.
        """
        if self._since is None or slept > 0 or now < self._now:
            self._since, self._now, self._values, self._amounts = now, now, dict(values), {}
            return 0.0, {}
        for name, value in values.items():
            self._amounts[name] = self._amounts.get(name, 0.0) + increase(self._values.get(name, 0.0), value)
        seconds = max(now - self._since, SHORTEST_SECONDS)
        rates = {name: self._amounts[name] / seconds for name in values}
        self._now, self._values = now, dict(values)
        if now - self._since >= SHORTEST_SECONDS:
            self._since, self._amounts = now, {}
        return seconds, rates


def increase(before: float, after: float) -> float:
    """Return by how much a counter grew. One that fell wrapped, if it was in the upper half of 32 bits; else it began
    at zero again."""
    if after >= before:
        return after - before
    if WRAP / 2 <= before < WRAP and after < WRAP / 2:
        return WRAP - before + after
    return after


class Floor:
    """The noise of one source: the median of the newest rates that were learned; 0 until they are enough."""

    def __init__(self) -> None:
        self._rates: deque[float] = deque(maxlen=MEMORY)

    def learn(self, rate: float) -> None:
        self._rates.append(rate)

    @property
    def known(self) -> int:
        """How many rates it rests on."""
        return len(self._rates)

    @property
    def level(self) -> float:
        return median(self._rates) if self.known >= ENOUGH else 0.0


@dataclass(frozen=True)
class Verdict:
    """``name``: the source that is furthest above, or nearest to, its own ``threshold``; "" where nothing is known.

    ``floor``: the part of the threshold that was learned, from so many rates as ``known``.
    """

    active: bool
    name: str = ""
    rate: float = 0.0
    threshold: float = 0.0
    floor: float = 0.0
    known: int = 0

    def detail(self, unit: str) -> str:
        """Return the rate against the threshold, and where that comes from."""
        if not self.name:
            return "nothing to compare with yet"
        text = f"{self.name} {say(self.rate, unit)}, threshold {say(self.threshold, unit)}"
        if self.floor:
            noise = f"noise {say(self.floor, unit)} (median of {self.known} looks)"
            text += f" = {noise} + {say(self.threshold - self.floor, unit)}"
        return text


class RateGauge:
    """Judges counters. ``threshold`` and ``noise_limit`` are rates per second; noise is learned per source."""

    def __init__(self, threshold: float, learn: bool = False, noise_limit: float = 0.0) -> None:
        self._threshold = threshold
        self._limit = (noise_limit or threshold) if learn else -1.0
        self._counters = Counters()
        self._floors: dict[str, Floor] = {}
        self._unproven: dict[str, float] = {}

    def look(
        self, now: float, values: Mapping[str, float], *, slept: float = 0.0, others_active: bool = False
    ) -> Verdict:
        """Return the verdict on the time since the last look.

        ``others_active``: whether another source was active at the look before this one. The rates of that look
        are learned only now, when that is known.
        """
        if not others_active:
            for name, rate in self._unproven.items():
                self._floors.setdefault(name, Floor()).learn(rate)
            self._forget(values)
        seconds, rates = self._counters.rates(now, values, slept)
        learned = seconds >= LEARN_SECONDS
        self._unproven = {name: rate for name, rate in rates.items() if learned and rate <= self._limit}
        verdicts = [self._judge(name, rate) for name, rate in rates.items()]
        return max(verdicts, key=lambda verdict: verdict.rate - verdict.threshold, default=Verdict(False))

    def _judge(self, name: str, rate: float) -> Verdict:
        floor = self._floors.get(name) or Floor()
        threshold = self._threshold + floor.level
        return Verdict(rate > threshold, name, rate, threshold, floor.level, floor.known)

    def _forget(self, values: Mapping[str, float]) -> None:
        gone = [name for name in self._floors if name not in values] if len(self._floors) > MOST_SOURCES else ()
        for name in gone:
            del self._floors[name]


def median(values: Iterable[float]) -> float:
    """As statistics.median, a module that is large to import. ``values``: at least one."""
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def say(rate: float, unit: str) -> str:
    """Return a rate for people, such as "1.2 kB/s" or "12.5 %"."""
    if unit != "bytes/s":
        return f"{rate:.1f} {unit}"
    size, prefix = next(((size, prefix) for size, prefix in _STEPS if rate >= size), (1.0, ""))
    return f"{rate / size:.{1 if prefix else 0}f} {prefix}B/s"
