# SPDX-License-Identifier: GPL-3.0-or-later
"""powerwake reject."""

from __future__ import annotations

import argparse
from urllib.parse import quote

from powernap.cli.wakecommands.base import ask, say

NAME = "reject"
SUMMARY = "tell a machine that asks to be known that it is not"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("who", metavar="NAME|REQUEST", help="as 'powerwake pending' shows it")


def run(options: argparse.Namespace) -> int:
    content = ask(options).post(f"/api/v1/pending/{quote(options.who, safe='')}/reject", {})
    say(options, content, f"{content['name']} (request {content['request']}) is rejected")
    return 0
