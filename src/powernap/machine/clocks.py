# SPDX-License-Identifier: GPL-3.0-or-later
"""The clocks: CLOCK_BOOTTIME counts sleep, CLOCK_MONOTONIC does not: their distance is the time slept."""

from __future__ import annotations

import time

#: A growth of the distance below this is a rounding of the kernel's, not a sleep.
SHORTEST_SLEEP_SECONDS = 0.5


def now() -> float:
    """Return CLOCK_BOOTTIME in seconds."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def from_monotonic(seconds: float) -> float:
    """Return a time of CLOCK_MONOTONIC as one of CLOCK_BOOTTIME; too late by what the machine slept since."""
    return seconds + _distance()


class SleepGauge:
    """Tells how long the machine slept since it was last asked."""

    def __init__(self) -> None:
        self._distance = _distance()

    def slept(self) -> float:
        """Return the seconds slept since the last call, or 0.0."""
        before, self._distance = self._distance, _distance()
        grown = self._distance - before
        return grown if grown > SHORTEST_SLEEP_SECONDS else 0.0


def _distance() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME) - time.clock_gettime(time.CLOCK_MONOTONIC)
