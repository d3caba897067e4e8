# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole days, simulated with the real engine and the shipped profiles: how much of an oracle's sleep is reached.

DAYS generated days for each profile (traces.py), on a machine that falls asleep in 2 s and wakes in 5 s. The oracle
knows the whole day and sleeps through every gap of WORTHWHILE_SECONDS or more, from its first moment. Beside the
profile, by the same engine and on the same days: half a minute (the original's default) and an hour.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from bench.nap.traces import DAYS as PROFILES
from bench.nap.traces import day
from bench.results import keep
from powernap.nap import setup
from powernap.nap.policy import Policy, Step, policy_of
from powernap.profiles.shelf import Shelf
from powernap.shared.virtual import Virtualization
from powernap.simulate import Outcome, Trace, simulate

DAYS = int(os.environ.get("POWERNAP_BENCH_DAYS", "20"))
RESUME_SECONDS, SUSPEND_SECONDS = 5.0, 2.0
WORTHWHILE_SECONDS = 1800.0


def policy(profile: str) -> tuple[Policy, set[str]]:
    """Return what the shipped profile decides by, and the names of its monitors."""
    shelf = Shelf()
    main = Path("/etc/powernap/simulated.toml")  # nothing is written
    texts = {main: f'include = ["{profile}"]\n', **shelf.with_included([profile])}
    config = setup.load(main, profile_dirs=shelf.dirs, overlay=texts)
    return replace(policy_of(config, Virtualization("none", "none", "a simulation")), never=""), set(config.monitors)


def outcomes(decided: Policy, traces: list[Trace], watched: set[str] | None) -> list[Outcome]:
    return [simulate(decided, trace, RESUME_SECONDS, SUSPEND_SECONDS, watched, WORTHWHILE_SECONDS) for trace in traces]


def figures(days: list[Outcome]) -> dict[str, float]:
    """Return the sums of all days, each a share or a number per day."""
    reached = sum(each.reached_seconds for each in days)
    return {
        "share": reached / sum(each.oracle_seconds for each in days),
        "asleep h/day": sum(each.asleep_seconds for each in days) / 3600 / len(days),
        "oracle h/day": sum(each.oracle_seconds for each in days) / 3600 / len(days),
        "naps/day": sum(len(each.naps) for each in days) / len(days),
        "wakes/day": sum(each.wakes for each in days) / len(days),
        "wrong": sum(len(each.wrong) for each in days),
        "looks/h": sum(each.looks for each in days) / 24 / len(days),
        "late s": max((nap.late_seconds for each in days for nap in each.naps), default=0.0),
    }


def main() -> None:
    kept: dict[str, dict[str, dict[str, float]]] = {}
    hour = Policy((Step(3600.0, "suspend", 60.0),))
    half_minute = Policy((Step(30.0, "suspend", 6.0),))
    for profile in PROFILES:
        traces = [day(profile, seed) for seed in range(DAYS)]
        decided, watched = policy(profile)
        kept[profile] = {
            "powernapd": figures(outcomes(decided, traces, watched)),
            "after an hour": figures(outcomes(hour, traces, None)),
            "after 30 s": figures(outcomes(half_minute, traces, None)),
        }
    columns = list(kept["web-server"]["powernapd"])
    print(f"## Of an oracle's sleep, {DAYS} generated days each\n")
    print("| profile | | " + " | ".join(columns) + " |\n" + "|---" * (len(columns) + 2) + "|")
    for profile, rows in kept.items():
        for name, row in rows.items():
            cells = [f"{100 * row[key]:.1f} %" if key == "share" else f"{row[key]:.3g}" for key in columns]
            print(f"| {profile} | {name} | " + " | ".join(cells) + " |")
    print()
    keep("nap-days", {"days": DAYS, "worthwhile seconds": WORTHWHILE_SECONDS, "profiles": kept})


if __name__ == "__main__":
    main()
