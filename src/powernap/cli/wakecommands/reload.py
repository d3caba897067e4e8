# SPDX-License-Identifier: GPL-3.0-or-later
"""powerwake reload."""

from __future__ import annotations

import argparse

from powernap.cli.wakecommands import ordering

NAME = "reload"
SUMMARY = "let the powernapd of machines read its configuration again"


def arguments(parser: argparse.ArgumentParser) -> None:
    ordering.whom(parser)
    ordering.wakes(parser)


def run(options: argparse.Namespace) -> int:
    return ordering.give(options, "reload", {})
