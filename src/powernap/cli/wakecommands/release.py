# SPDX-License-Identifier: GPL-3.0-or-later
"""powerwake release."""

from __future__ import annotations

import argparse

from powernap.cli.wakecommands import ordering
from powernap.shared.errors import BadValue

NAME = "release"
SUMMARY = "let machines go to sleep again that an inhibit holds awake"


def arguments(parser: argparse.ArgumentParser) -> None:
    ordering.whom(parser)
    parser.add_argument("--reason", metavar="TEXT", help="the reason that was given with the inhibit")
    parser.add_argument("--id", metavar="N", help="the number of the lease, as the inhibit has printed it")


def run(options: argparse.Namespace) -> int:
    given = {name: value for name in ("reason", "id") if (value := getattr(options, name))}
    if not given:
        raise BadValue("nothing is said of which inhibit is to end: give --reason as the inhibit had it, or --id")
    return ordering.give(options, "release", given)
