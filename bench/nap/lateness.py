# SPDX-License-Identifier: GPL-3.0-or-later
"""How late a nap comes after the ideal moment, and what it costs in looks, by the sort of source. Simulated.

HOURS of random bursts (pauses of two periods on average), with absent_seconds = 300: the real engine with sources that
keep the time (stamp), tell of the end (hold), or only count, at 1 to 30 looks a period; and, as baselines, pollers that
look every second (the original) and every minute, and see what happened since their last look.
"""

from __future__ import annotations

import random
from itertools import pairwise
from statistics import mean

from bench.results import keep
from bench.table import table
from powernap.nap.policy import Policy, Step
from powernap.simulate import Activity, Trace, simulate

HOURS = 200
ABSENT_SECONDS = 300.0
BURST_SECONDS = 20.0
SEED = 20090401
RESUME_SECONDS, SUSPEND_SECONDS = 5.0, 2.0
ORIGINAL = "polls every second (the original)"


def bursts() -> list[tuple[float, float]]:
    """Return times of activity, exponentially distributed lengths and pauses."""
    chance = random.Random(SEED)
    spans, at = [], 0.0
    while at < HOURS * 3600:
        at += chance.expovariate(1 / (2 * ABSENT_SECONDS))
        end = at + chance.expovariate(1 / BURST_SECONDS)
        spans.append((at, end))
        at = end
    return spans


def ours(kind: str, looks: int, spans: list[tuple[float, float]]) -> dict[str, float]:
    trace = Trace(tuple(Activity(start, end, "source", kind) for start, end in spans), HOURS * 3600.0)
    policy = Policy((Step(ABSENT_SECONDS, "suspend", 0.0),), min_awake_seconds=0.0, looks_per_period=looks)
    outcome = simulate(policy, trace, RESUME_SECONDS, SUSPEND_SECONDS)
    assert not outcome.wrong, outcome.wrong
    late = [nap.late_seconds for nap in outcome.naps]
    return {"late s, mean": mean(late), "late s, most": max(late), "looks per h": outcome.looks / HOURS}


def poller(interval: float, spans: list[tuple[float, float]]) -> dict[str, float]:
    """A poller that looks at every multiple of its interval while awake, and sees what happened since the last look."""
    late, looks = [], 0.0
    for (_begun, ended), (following, _end) in pairwise(spans):
        ideal = ended + ABSENT_SECONDS
        seen = interval * -(-ended // interval)
        napped = seen + ABSENT_SECONDS
        if napped < following:
            late.append(napped - ideal)
            looks += (napped - ended) / interval
        else:
            looks += (following - ended) / interval
    return {"late s, mean": mean(late), "late s, most": max(late), "looks per h": looks / HOURS}


def main() -> None:
    spans = bursts()
    figures = {ORIGINAL: poller(1, spans), "polls every 60 s": poller(60, spans)}
    figures["powernapd, source keeps the time"] = ours("tcp", 5, spans)
    figures["powernapd, source tells of the end"] = ours("process", 5, spans)
    for looks in (1, 2, 5, 10, 30):
        name = f"powernapd, source counts, {looks} look{'s' if looks > 1 else ''} a period"
        figures[name] = ours("load", looks, spans)
    print(table(f"Lateness of the nap ({HOURS} h of bursts, absent_seconds = {ABSENT_SECONDS:g})", figures, ORIGINAL))
    keep("nap-lateness", {"hours": HOURS, "absent seconds": ABSENT_SECONDS, "figures": figures})


if __name__ == "__main__":
    main()
