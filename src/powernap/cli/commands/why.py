# SPDX-License-Identifier: GPL-3.0-or-later
"""powernap why."""

from __future__ import annotations

import argparse

from powernap.cli.commands.base import ask, say

NAME = "why"
SUMMARY = "why the machine is awake, asleep or held, with numbers"


def arguments(parser: argparse.ArgumentParser) -> None:
    """It has none of its own."""


def run(options: argparse.Namespace) -> int:
    answer = ask(options, NAME)
    say(options, answer, str(answer["text"]))
    return 0
