# SPDX-License-Identifier: GPL-3.0-or-later
"""Days of activity, generated: what each kind of machine is asked to do, second by second, from a seed.

Shapes, not records of real machines. Taken from the literature are the forms; the numbers in DAYS are ours:

- Arrivals follow the time of day and are otherwise random (a Poisson process whose rate changes). Office hours with a
  dip at noon for people's machines: Nedevschi et al., "Skilled in the Art of Being Idle", NSDI 2009. A broad wave with
  its trough before dawn for web sites: Urdaneta et al., "Wikipedia workload analysis", Computer Networks 53 (2009).
- People come in sessions, within which they act and pause; pauses are heavy-tailed (Pareto): Crovella and Bestavros,
  "Self-similarity in World Wide Web traffic", IEEE/ACM ToN 5 (1997).
- Batch jobs have log-normal run times over several magnitudes: Lublin and Feitelson, J. Parallel and Distributed
  Computing 63 (2003).
- Jobs by the clock (backups, scans) come at the same time every day.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from powernap.simulate import Activity, Trace

DAY = 86400.0
HOUR = 3600.0


def office(second: float) -> float:
    """Return how much of the peak there is at that time: 9 to 18 o'clock with a dip at noon, little in the evening."""
    hour = second / HOUR
    if 9 <= hour < 18:
        return 0.4 if 12 <= hour < 13 else 1.0
    return 0.05 if 18 <= hour < 23 else 0.002


def evening(second: float) -> float:
    """At home: a little in the morning, most from 17 to 23 o'clock."""
    hour = second / HOUR
    return 1.0 if 17 <= hour < 23 else 0.3 if 7 <= hour < 9 else 0.1 if 9 <= hour < 17 else 0.01


def broad(second: float) -> float:
    """A public service: one wave a day, its trough at 4 o'clock."""
    return max(0.0, 0.5 - 0.5 * math.cos(2 * math.pi * (second / HOUR - 4) / 24)) ** 2


Shape = Callable[[float], float]


@dataclass(frozen=True)
class Sessions:
    """People who come ``per_day`` times, stay (log-normal, median ``stay`` seconds), and act with heavy-tailed pauses.

    ``pause``: the shortest pause in seconds; ``alpha``: Pareto's exponent; an act lasts ``act`` seconds.
    """

    monitor: str
    kind: str
    per_day: float
    shape: Shape
    stay: float = 1800.0
    pause: float = 2.0
    alpha: float = 1.3
    act: float = 0.0

    def spans(self, chance: random.Random) -> Iterator[Activity]:
        for begin in arrivals(self.per_day, self.shape, chance):
            end, at = begin + chance.lognormvariate(math.log(self.stay), 0.8), begin
            while at < min(end, DAY):
                yield Activity(at, min(at + self.act, DAY), self.monitor, self.kind)
                at += self.act + min(self.pause * chance.paretovariate(self.alpha), self.stay)


@dataclass(frozen=True)
class Jobs:
    """Work that arrives ``per_day`` times and runs without a pause (log-normal, median ``run`` seconds)."""

    monitor: str
    kind: str
    per_day: float
    shape: Shape
    run: float
    spread: float = 1.0

    def spans(self, chance: random.Random) -> Iterator[Activity]:
        for begin in arrivals(self.per_day, self.shape, chance):
            yield Activity(
                begin, min(DAY, begin + chance.lognormvariate(math.log(self.run), self.spread)), self.monitor, self.kind
            )


@dataclass(frozen=True)
class Daily:
    """A job by the clock, at ``hour``, for ``run`` seconds, a tenth more or less."""

    monitor: str
    kind: str
    hour: float
    run: float

    def spans(self, chance: random.Random) -> Iterator[Activity]:
        begin = self.hour * HOUR
        yield Activity(begin, begin + self.run * chance.uniform(0.9, 1.1), self.monitor, self.kind)


def arrivals(per_day: float, shape: Shape, chance: random.Random) -> Iterator[float]:
    """Yield the moments of a Poisson process whose rate follows the shape, by thinning (Lewis and Shedler 1979)."""
    mean = sum(shape(minute * 60.0) for minute in range(1440)) / 1440
    peak = per_day / DAY / mean
    at = chance.expovariate(peak)
    while at < DAY:
        if chance.random() < shape(at):
            yield at
        at += chance.expovariate(peak)


LOGIN = Sessions("ssh", "tcp", 3, office, stay=900, pause=5)
UPDATES = Daily("maintenance", "process", 6.2, 180)
#: For each profile, what its machines are asked to do; the monitors are those of the profile.
DAYS: dict[str, tuple[Sessions | Jobs | Daily, ...]] = {
    "web-server": (Sessions("web", "tcp", 120, broad, stay=240, pause=4), LOGIN, UPDATES),
    "file-server": (
        Sessions("smb", "tcp", 40, office, stay=1200, pause=8),
        Daily("nfs", "tcp", 1.5, 2400),
        LOGIN,
        UPDATES,
    ),
    "database": (
        Sessions("database", "tcp", 60, office, stay=900, pause=2),
        Daily("database", "tcp", 2.0, 1800),
        LOGIN,
        UPDATES,
    ),
    "build-machine": (Jobs("load", "load", 30, office, run=420, spread=0.9), Daily("load", "load", 3.0, 5400), LOGIN),
    "hypervisor": (Jobs("guests", "guest", 6, office, run=5400, spread=0.7), LOGIN, UPDATES),
    "hpc-node": (Jobs("jobs", "jobs", 5, broad, run=5400, spread=1.4), LOGIN),
    "home-server": (
        Sessions("media", "tcp", 3, evening, stay=5400, pause=1, act=4),
        Sessions("smb", "tcp", 6, evening, stay=600, pause=4),
        Daily("maintenance", "process", 4.0, 900),
    ),
    "desktop": (Sessions("terminals", "console", 8, office, stay=3600, pause=1.5), UPDATES),
    "laptop": (
        Sessions("terminals", "console", 10, evening, stay=2400, pause=1.5),
        Jobs("media", "process", 1, evening, run=5400),
    ),
}


def day(profile: str, seed: int) -> Trace:
    """Return one day of a profile."""
    chance = random.Random(f"{profile} {seed}")
    activities = [activity for source in DAYS[profile] for activity in source.spans(chance)]
    return Trace(tuple(sorted(activities, key=lambda each: (each.start, each.end))))
