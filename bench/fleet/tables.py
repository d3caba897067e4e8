# SPDX-License-Identifier: GPL-3.0-or-later
"""The published figures of bench/run fleet as Markdown."""

from __future__ import annotations

from typing import Any

_PLAYS = {"PowerNap": "site.yml", "PowerNap in batches": "site.yml, in batches of 1 and 9", "stock": "stock modules"}


def machine(results: dict[str, Any]) -> str:
    """What it ran on."""
    found = results["machine"]
    return (
        f"{found['cpus']} CPUs, Linux {found['kernel']}, Python {found['python']}, {results['forks']} forks; "
        f"load average {found['load']} at the end."
    )


def summary(results: dict[str, Any]) -> str:
    """A row for each play, number of hosts and run."""
    lines = [
        "| | hosts | run | seconds | CPU s | CPU s a host | tasks a host | with all forks MB | one process MB |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for play, sizes in results["hosts"].items():
        for count, runs in sizes.items():
            for turn, run in enumerate(runs, 1):
                tasks = sum(task["results"] for task in run["tasks"]) / int(count)
                lines.append(
                    f"| {_PLAYS[play]} | {int(count):,} | {turn} | {run['seconds']:,.0f} | {run['CPU s']:,.1f} | "
                    f"{run['CPU s'] / int(count):.2f} | {tasks:.0f} | {run['peak PSS of all MB']:,} | "
                    f"{run['peak RSS of one process MB']:,} |"
                )
    return "\n".join(lines) + "\n"
