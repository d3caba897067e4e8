# SPDX-License-Identifier: GPL-3.0-or-later
"""powerwake approve."""

from __future__ import annotations

import argparse
from urllib.parse import quote

from powernap.cli.wakecommands.base import ask, say

NAME = "approve"
SUMMARY = "let a machine in that asks to be known"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("who", metavar="NAME|REQUEST", help="as 'powerwake pending' shows it")
    parser.add_argument("--as", dest="name", metavar="NAME", help="register it by another name than it asked for")
    parser.add_argument("--group", metavar="NAME", help="a table [groups.NAME] of powerwaked.toml; default: no group")


def run(options: argparse.Namespace) -> int:
    body = {key: value for key, value in (("name", options.name), ("group", options.group)) if value is not None}
    content = ask(options).post(f"/api/v1/pending/{quote(options.who, safe='')}/approve", body)
    say(options, content, f"{content['name']} is registered; it naps once it has asked again")
    return 0
