# SPDX-License-Identifier: GPL-3.0-or-later
"""powerwake recover."""

from __future__ import annotations

import argparse

from powernap.cli.wakecommands import ordering

NAME = "recover"
SUMMARY = "take machines out of power saving, and back to their full pace"


def arguments(parser: argparse.ArgumentParser) -> None:
    ordering.whom(parser)
    ordering.wakes(parser)


def run(options: argparse.Namespace) -> int:
    return ordering.give(options, "recover", {})
