# SPDX-License-Identifier: GPL-3.0-or-later
"""powerwake profile."""

from __future__ import annotations

import argparse

from powernap.cli.wakecommands import ordering

NAME = "profile"
SUMMARY = "let machines use a profile"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("profile", metavar="PROFILE", help='"": what each is configured with again')
    ordering.whom(parser)
    ordering.wakes(parser)


def run(options: argparse.Namespace) -> int:
    return ordering.give(options, "profile", {"name": options.profile})
