# SPDX-License-Identifier: GPL-3.0-or-later
"""powernap status."""

from __future__ import annotations

import argparse

from powernap.cli.commands.base import ask, say
from powernap.nap import report_text

NAME = "status"
SUMMARY = "state, next nap, monitors, wake server"


def arguments(parser: argparse.ArgumentParser) -> None:
    """It has none of its own."""


def run(options: argparse.Namespace) -> int:
    answer = ask(options, NAME)
    say(options, answer, report_text.table(answer))
    return 0
