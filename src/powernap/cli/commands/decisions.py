# SPDX-License-Identifier: GPL-3.0-or-later
"""powernap decisions."""

from __future__ import annotations

import argparse

from powernap.cli.commands.base import ask, say, stamp
from powernap.nap import report_text

NAME = "decisions"
SUMMARY = "the last decisions and their causes"


def arguments(parser: argparse.ArgumentParser) -> None:
    """It has none of its own."""


def run(options: argparse.Namespace) -> int:
    answer = ask(options, NAME)
    say(options, answer, report_text.decisions_text(answer["decisions"], stamp))
    return 0
