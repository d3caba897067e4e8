# SPDX-License-Identifier: GPL-3.0-or-later
"""What is counted for /metrics: of bounded number, no label names a host. Nothing heavy is imported for it."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter

#: Upper bounds in seconds.
WAKE_BUCKETS = (0.5, 1.0, 2.0, 3.0, 5.0, 7.5, 10.0, 15.0, 20.0, 30.0, 60.0, 120.0, 300.0)
COMMIT_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class Histogram:
    """`counts`: one for each bound, not added up, and one for what is above all of them."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def add(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value


class Figures:
    """`wakes`: by result and reason. `orders`: by verb and result. `requests`: by method, route and status."""

    def __init__(self) -> None:
        self.wakes: Counter[tuple[str, str]] = Counter()
        self.wake_seconds = Histogram(WAKE_BUCKETS)
        self.commit_seconds = Histogram(COMMIT_BUCKETS)
        self.orders: Counter[tuple[str, str]] = Counter()
        self.requests: Counter[tuple[str, str, str]] = Counter()
        self.streams = 0

    def order_ended(self, verb: str, outcome: str) -> None:
        self.orders[verb, outcome] += 1

    def wake_ended(self, woken: bool, was_awake: bool, seconds: float, reason: str) -> None:
        result = "was awake" if was_awake else "woken" if woken else "given up"
        self.wakes[result, reason] += 1
        if result == "woken":
            self.wake_seconds.add(seconds)
