# SPDX-License-Identifier: GPL-3.0-or-later
"""powerwake inhibit."""

from __future__ import annotations

import argparse

from powernap.cli.durations import duration
from powernap.cli.wakecommands import ordering

NAME = "inhibit"
SUMMARY = "keep machines from going to sleep for a time"


def arguments(parser: argparse.ArgumentParser) -> None:
    ordering.whom(parser)
    ordering.wakes(parser)
    parser.add_argument(
        "--for",
        dest="seconds",
        type=duration,
        required=True,
        metavar="TIME",
        help="how long, such as 90s, 30m, 2h, 1d12h",
    )
    parser.add_argument("--reason", required=True, metavar="TEXT", help="why, for people to read")


def run(options: argparse.Namespace) -> int:
    return ordering.give(options, "inhibit", {"seconds": options.seconds, "reason": options.reason})
