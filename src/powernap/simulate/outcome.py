# SPDX-License-Identifier: GPL-3.0-or-later
"""What comes of a simulated day, and the oracle that it is measured against. Times are seconds since its beginning."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

Interval = tuple[float, float]


@dataclass(frozen=True)
class Nap:
    """One step that was taken. ``late_seconds``: after the first moment at which the policy allows it.

    ``ended``: when the machine was fully awake again; None: not within the day. ``woken_by``: whose activity it was, or
    "" where the next step followed.
    """

    at: float
    action: str
    cause: str
    late_seconds: float
    ended: float | None = None
    woken_by: str = ""
    asleep_seconds: float = 0.0
    waited_seconds: float = 0.0


@dataclass(frozen=True)
class Wrong:
    """A sleep that began while a monitor's activity went on; ``seconds``: for how long it then was asleep in it."""

    at: float
    monitor: str
    seconds: float


@dataclass(frozen=True)
class Outcome:
    """``reached_seconds``: of ``oracle_seconds``, in which the machine slept, too; ``share``: of them.

    ``allowed_seconds``: what the policy allows at best, sleeping each time at the first moment that it may.
    ``waited_seconds``: in all, by those who had to wait for the machine to wake. ``partial_looks``: those of ``looks``
    at which only monitors that count were asked.
    """

    duration: float
    asleep_seconds: float
    powersave_seconds: float
    oracle_seconds: float
    reached_seconds: float
    allowed_seconds: float
    share: float
    wakes: int
    waited_seconds: float
    looks: int
    partial_looks: int
    naps: tuple[Nap, ...]
    wrong: tuple[Wrong, ...]
    unwatched: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return it for programs."""
        return asdict(self)


def oracle(gaps: Iterable[Interval], suspend_seconds: float, worthwhile_seconds: float) -> list[Interval]:
    """Return when a machine that knows the whole day sleeps: from the first moment of every gap that is long enough.

    It needs as long as ours to fall asleep, and wakes for the end of the gap as ours does.
    """
    return [
        (begin + suspend_seconds, end)
        for begin, end in gaps
        if end - begin >= worthwhile_seconds and end - begin > suspend_seconds
    ]


def overlap(some: Iterable[Interval], others: Iterable[Interval]) -> float:
    """Return the seconds that are in both; each in order and without overlaps of its own."""
    first, second = list(some), list(others)
    total, i, j = 0.0, 0, 0
    while i < len(first) and j < len(second):
        total += max(0.0, min(first[i][1], second[j][1]) - max(first[i][0], second[j][0]))
        if first[i][1] <= second[j][1]:
            i += 1
        else:
            j += 1
    return total
