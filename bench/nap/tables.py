# SPDX-License-Identifier: GPL-3.0-or-later
"""The figures of the clients' cost as Markdown, for docs/benchmarks.md. Pure."""

from __future__ import annotations

from typing import Any

from bench.nap.clients import AUTOSUSPEND, OURS, OURS_EVENTS

#: Of autosuspend's CPU, and seconds until ready.
GOAL, READY_GOAL = 1000, 0.3
CPU, WAKEUPS, RSS, READY, PROCESSES = "CPU ms per s", "wakeups per s", "RSS MB", "ready after s", "processes per s"


def machine(cost: dict[str, Any]) -> str:
    """Return what the machine was."""
    said = cost["machine"]
    return (
        f"{said['cpus']} CPUs, Linux {said['kernel']}, Python {said['python']}; load average at the end "
        f"{said['load']}; {cost['seconds']:g} s at rest, `absent_seconds = {cost['absent seconds']:g}`.\n"
    )


def idle(cost: dict[str, Any]) -> str:
    """Return what each costs at rest, and which of the goals are met."""
    rest, seconds = cost["at rest"], cost["seconds"]
    base = rest[AUTOSUSPEND][CPU]
    rows = ["| idle | CPU ms per s | wakeups per s | RSS MB | ready after s |", "|---|---|---|---|---|"]
    for name, row in rest.items():
        less = f" ({int(base / row[CPU]):,} times less than autosuspend)" if row[CPU] and row[CPU] < base / 2 else ""
        wakeups = f"{row[WAKEUPS]:.2g}" + (f" ({row[WAKEUPS] * seconds:.0f} in all)" if row[WAKEUPS] < 0.5 else "")
        rows.append(f"| {name} | {row[CPU]:.3g}{less} | {wakeups} | {row[RSS]:.1f} | {row[READY]:.3f} |")
    rows.append("")
    for name in (OURS, OURS_EVENTS):
        row = rest[name]
        share = "met" if row[CPU] * GOAL <= base else "**missed**"
        ready = "met" if row[READY] <= READY_GOAL else "**missed**"
        rows.append(
            f"- {name}: {row[CPU] * seconds:.1f} ms in {seconds:g} s; the goal of 1/{GOAL} of autosuspend's is "
            f"{share}, that of {READY_GOAL} s until ready {ready}."
        )
    return "\n".join(rows) + "\n"


def storm(cost: dict[str, Any]) -> str:
    """Return what each costs in a storm of processes."""
    rows = ["| in a storm | CPU ms per s | wakeups per s | processes per s |", "|---|---|---|---|"]
    for name, row in cost["in a storm"].items():
        rows.append(f"| {name} | {row[CPU]:.3g} | {_number(row[WAKEUPS])} | {row[PROCESSES]:,.0f} |")
    return "\n".join(rows) + "\n"


def _number(value: float) -> str:
    return f"{value:.3g}" if value < 100 else f"{value:,.0f}"
