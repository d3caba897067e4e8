# SPDX-License-Identifier: GPL-3.0-or-later
"""powerwake nap."""

from __future__ import annotations

import argparse

from powernap.cli.wakecommands import ordering

NAME = "nap"
SUMMARY = "let machines go to sleep now"


def arguments(parser: argparse.ArgumentParser) -> None:
    ordering.whom(parser)
    parser.add_argument(
        "--action", metavar="ACTION", help="such as suspend or poweroff; default: what each is configured for"
    )


def run(options: argparse.Namespace) -> int:
    return ordering.give(options, "nap", {"action": options.action} if options.action else {})
