# SPDX-License-Identifier: GPL-3.0-or-later
"""powerwake pardon."""

from __future__ import annotations

import argparse

from powernap.cli.wakecommands.base import ask, say

NAME = "pardon"
SUMMARY = "believe again who woke machines for nothing"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="SOURCE", help="IP or MAC address, as 'powerwake criers' shows it")
    parser.add_argument(
        "by", metavar="BY", nargs="?", default="", help='only what it wakes by, such as "tcp/22" or "arp"'
    )


def run(options: argparse.Namespace) -> int:
    content = ask(options).post("/api/v1/pardon", {"source": options.source, "by": options.by})
    say(options, content, "\n".join(f"{each} is believed again" for each in content["pardoned"]))
    return 0
