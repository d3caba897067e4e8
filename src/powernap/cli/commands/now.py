# SPDX-License-Identifier: GPL-3.0-or-later
"""powernap now."""

from __future__ import annotations

import argparse

from powernap.cli.commands.base import ask, say

NAME = "now"
SUMMARY = "nap now: skips the idle time and the warning, but no safety check (needs root)"


def arguments(parser: argparse.ArgumentParser) -> None:
    """It has none of its own."""


def run(options: argparse.Namespace) -> int:
    answer = ask(options, NAME)
    say(options, answer, f"{answer['action']} begins")
    return 0
