# SPDX-License-Identifier: GPL-3.0-or-later
"""powernap conflicts."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

from powernap.cli.commands.base import say
from powernap.config.nap import DEFAULT_PATH

NAME = "conflicts"
SUMMARY = "what else here saves power, sends the machine to sleep, or keeps it from being woken"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", default=DEFAULT_PATH, metavar="FILE", help="configuration (default: %(default)s)")


def run(options: argparse.Namespace) -> int:
    """powernapd need not run."""
    from powernap.machine import conflicts

    found = asyncio.run(conflicts.of_machine(_absent_seconds(Path(options.config))))
    say(options, {"ok": True, "conflicts": found}, "\n".join(found) or "nothing is in powernapd's way")
    return 0


def _absent_seconds(config: Path) -> float:
    """After how long the machine would sleep; for ever where it never does. Raises ConfigError."""
    from powernap.nap import setup
    from powernap.nap.policy import policy_of

    loaded = setup.load(config)
    steps = policy_of(loaded, setup.virtualization(loaded)).steps
    return min((step.after_seconds for step in steps if step.sleeps), default=float("inf"))
