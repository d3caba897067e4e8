# SPDX-License-Identifier: GPL-3.0-or-later
"""powernap record."""

from __future__ import annotations

import argparse

from powernap.cli.commands.base import ask, say

NAME = "record"
SUMMARY = "record what the monitors see, for 'powernap simulate', or no longer (needs root)"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("switch", choices=("on", "off"), help="until powernapd reads its configuration again")


def run(options: argparse.Namespace) -> int:
    answer = ask(options, NAME, on=options.switch == "on")
    say(options, answer, f"recording to {answer['recording']}" if answer["recording"] else "not recording")
    return 0
