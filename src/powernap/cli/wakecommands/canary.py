# SPDX-License-Identifier: GPL-3.0-or-later
"""powerwake canary: try whether machines wake, before they have to."""

from __future__ import annotations

import argparse

from powernap.cli.wakecommands import ordering
from powernap.cli.wakecommands.base import ask, say
from powernap.shared.wakeapi import host_path

NAME = "canary"
SUMMARY = "let machines nap and wake them at once, to prove that they can be woken"


def arguments(parser: argparse.ArgumentParser) -> None:
    ordering.whom(parser)
    parser.add_argument(
        "--seconds", type=float, default=300.0, metavar="SECONDS", help="after which one wakes by itself; default: 300"
    )
    parser.add_argument("--clear", action="store_true", help="let machines nap again that had failed; nothing is tried")


def run(options: argparse.Namespace) -> int:
    if not options.clear:
        return ordering.give(options, "canary", {"seconds": options.seconds})
    server = ask(options)
    cleared = [name for name in options.targets if server.delete(f"{host_path(name)}/canary")["changed"]]
    others = [name for name in options.targets if name not in cleared]
    lines = [f"{name} may nap again" for name in cleared] + [f"{name} had not failed" for name in others]
    say(options, {"cleared": cleared}, "\n".join(lines) or "give the names of machines that had failed")
    return 0 if options.targets else 2
