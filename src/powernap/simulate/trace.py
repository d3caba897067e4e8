# SPDX-License-Identifier: GPL-3.0-or-later
"""What happened on a day, as spans of activity. Times are seconds since the day's record began."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass

DAY_SECONDS = 86400.0

#: How a monitor of each kind learns of activity: "stamp" (the kernel keeps the time of the last), "hold" (it is told of
#: the end). Every other kind counts: it knows only that something happened since the last look.
STAMPS = ("console", "input", "session", "tcp", "udp", "wol")
HOLDS = ("audio", "cgroup", "container", "guest", "jobs", "lock", "process", "unit")
FORMS = dict.fromkeys(STAMPS, "stamp") | dict.fromkeys(HOLDS, "hold")


@dataclass(frozen=True)
class Activity:
    """Seen by the monitor of that name from ``start`` to ``end``; a moment where both are the same."""

    start: float
    end: float
    monitor: str
    kind: str


@dataclass(frozen=True)
class Trace:
    """A day: what happened in ``duration`` seconds, which began at ``second_of_day`` of ``weekday`` (0: Monday)."""

    activities: tuple[Activity, ...]
    duration: float = DAY_SECONDS
    second_of_day: float = 0.0
    weekday: int = 0

    def kinds(self) -> dict[str, str]:
        """Return the kind of each monitor, by its name."""
        return {activity.monitor: activity.kind for activity in self.activities}


class Spans:
    """Times of activity, merged where they overlap, in order."""

    def __init__(self, activities: Iterable[Activity]) -> None:
        self.spans: list[tuple[float, float]] = []
        for start, end in sorted((activity.start, max(activity.start, activity.end)) for activity in activities):
            if self.spans and start <= self.spans[-1][1]:
                self.spans[-1] = (self.spans[-1][0], max(end, self.spans[-1][1]))
            else:
                self.spans.append((start, end))
        self._starts = [start for start, _end in self.spans]

    def until(self, now: float) -> tuple[float, float] | None:
        """Return the last span that had begun by then."""
        at = bisect_right(self._starts, now)
        return self.spans[at - 1] if at else None

    def next_start(self, now: float) -> float | None:
        """Return when the next one begins, after that time."""
        at = bisect_right(self._starts, now)
        return self._starts[at] if at < len(self._starts) else None

    def last(self, now: float) -> float | None:
        """Return the newest moment of activity by then."""
        span = self.until(now)
        return None if span is None else min(span[1], now)

    def running(self, now: float) -> bool:
        """Tell whether one has begun and not yet ended."""
        span = self.until(now)
        return span is not None and now < span[1]

    def gaps(self, until: float) -> list[tuple[float, float]]:
        """Return the times without activity from 0 to ``until``."""
        gaps, at = [], 0.0
        for start, end in self.spans:
            if start >= until:
                break
            if start > at:
                gaps.append((at, start))
            at = max(at, end)
        if at < until:
            gaps.append((at, until))
        return gaps
