# SPDX-License-Identifier: GPL-3.0-or-later
"""powernap recover."""

from __future__ import annotations

import argparse

from powernap.cli.commands.base import ask, say

NAME = "recover"
SUMMARY = "be fully awake now, with a fresh idle period (needs root)"


def arguments(parser: argparse.ArgumentParser) -> None:
    """It has none of its own."""


def run(options: argparse.Namespace) -> int:
    answer = ask(options, NAME)
    say(options, answer, f"state: {answer['state']}")
    return 0
