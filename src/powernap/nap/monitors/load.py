# SPDX-License-Identifier: GPL-3.0-or-later
"""Active while the load average is above a threshold."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from powernap.nap.evidence import Reading
from powernap.nap.monitors.base import Monitor
from powernap.shared.schema import Option

#: Not getloadavg(3), which asks the kernel: a container may have a load average of its own here (lxcfs).
LOADAVG = "/proc/loadavg"
#: kernel/sched/loadavg.c: every 5 s the 1-minute average falls to 1884/2048 of itself at the most, and is cut to
#: 1/2048; shown are two digits. So it may be this much higher than shown, and falls no faster than this.
UPDATE_SECONDS, FALL_SECONDS, CUT = 5.0, 59.8, 0.012
#: The same of the 5-minute average, which falls to 2014/2048; less 2 %, as the kernel rounds where it takes many steps
#: of an idle machine at once. Of what is new it takes in that much of what the 1-minute average does, at the least.
SLOW_FALL_SECONDS, SLOW_CUT, SHOWN, TAKEN_IN = 292.0, 0.03, 0.01, 34 / 164
#: Less is of no use.
SHORTEST_SECONDS = 60.0
#: How much of the time for which a look would serve, were the load to stay as it is, it is trusted to.
TRUST = 0.6
#: After a look that did not serve for as long as it was trusted to, none is for so long; twice that after the next.
DISTRUST_SECONDS = 3600.0


@dataclass(frozen=True)
class Averages:
    """The load averages of 1 and 5 minutes, and the time (CLOCK_BOOTTIME) at which they were read."""

    minute: float
    five: float
    at: float


class LoadMonitor(Monitor):
    """The 1-minute load average. It falls no faster than the kernel lets it, so how low it is tells when it was above
    the threshold at the latest. Of longer times the 5-minute average tells the same: where that is low, one look serves
    for minutes, and what was above the threshold in between is seen; where it may have been above it and nobody can
    tell, it counts as if it was, which delays a nap by a period at most, and once an hour at most. Else it is looked at
    several times a period, and a peak between two looks may be missed. A container has the whole machine's, unless
    lxcfs gives it its own."""

    kind = "load"
    summary = "the 1-minute load average is above a threshold"
    options = (
        Option(
            "threshold",
            "threshold",
            "n",
            'the load above which the machine is busy; "n": the number of CPUs',
            example=0.5,
        ),
    )

    def __init__(self, name: str, values: Mapping[str, Any]) -> None:
        super().__init__(name, values)
        threshold = values.get("threshold", "n")
        self._threshold = float(os.cpu_count() or 1) if threshold == "n" else float(threshold)
        self._before: Averages | None = None
        self._serves_until = self._trusted_at = float("-inf")
        self._distrust = DISTRUST_SECONDS
        self._busy_at: float | None = None
        self._ended: float | None = None

    def look(self, now: float) -> Reading:
        read = _read(now)
        busy = read.minute > self._threshold
        if busy:
            self._busy_at = self._ended = now
            self._distrust = DISTRUST_SECONDS
        else:
            self._judge(read)
        serves = 0.0 if busy or now < self._trusted_at else serves_seconds(read, self._threshold)
        self._before, self._serves_until = read, now + serves
        return self.reading(
            last_active=self._ended,
            active_now=busy,
            detail=f"load {read.minute:.2f}, threshold {self._threshold:g}",
            source=LOADAVG,
            counts=True,
            serves=TRUST * serves,
            value=read.minute,
            threshold=self._threshold,
        )

    def _judge(self, read: Averages) -> None:
        """It is not above the threshold: note when it was at the latest."""
        now, before = read.at, self._before
        quiet = quiet_seconds(read.minute, self._threshold)
        if before is not None and now > before.at:
            quiet = max(quiet, quiet_since(before, read, self._threshold))
        if self._busy_at is not None:
            self._ended = min(now, max(self._busy_at, now - quiet))
            self._busy_at = None
        elif before is not None and before.at < now - quiet and now < self._serves_until:
            self._ended = now - quiet  # nobody looked meanwhile, so in doubt it was
            self._trusted_at = now + self._distrust
            self._distrust *= 2


def _read(now: float) -> Averages:
    """Raises OSError."""
    fd = os.open(LOADAVG, os.O_RDONLY | os.O_CLOEXEC)
    try:
        text = os.read(fd, 128).decode(errors="replace")
    finally:
        os.close(fd)
    try:
        minute, five = text.split()[:2]
        return Averages(float(minute), float(five), now)
    except ValueError:
        raise OSError(f"{LOADAVG} does not begin with two loads: {text[:40]!r}: use a monitor of kind cpu") from None


def quiet_seconds(load: float, threshold: float) -> float:
    """Return for how long the average has not been above the threshold, at the least."""
    if threshold <= load + CUT:
        return 0.0
    return max(0.0, FALL_SECONDS * math.log(threshold / (load + CUT)) - UPDATE_SECONDS)


def quiet_since(before: Averages, after: Averages, threshold: float) -> float:
    """Return for how long the 1-minute average has not been above the threshold since ``before``, at the least.

    Had it risen to the threshold, the 5-minute average would have risen, too, and would not have fallen since faster
    than it does.
    """
    risen = TAKEN_IN * (threshold - before.minute - CUT)
    kept = math.exp((before.at - after.at) / SLOW_FALL_SECONDS)
    found = max(0.0, after.five - before.five * kept) + SHOWN + SLOW_CUT * (1 - kept)
    return max(0.0, SLOW_FALL_SECONDS * math.log(risen / found) - UPDATE_SECONDS) if risen > found else 0.0


def serves_seconds(read: Averages, threshold: float) -> float:
    """Return after what time ``quiet_since`` would still tell of all of it, were the load to stay as it is."""
    risen = TAKEN_IN * (threshold - read.minute - CUT) * math.exp(-UPDATE_SECONDS / SLOW_FALL_SECONDS)
    grown = read.minute + SLOW_CUT
    found = SLOW_FALL_SECONDS * math.log((risen + grown) / (SHOWN + grown)) if risen > 0 else 0.0
    return found if found >= SHORTEST_SECONDS else 0.0
