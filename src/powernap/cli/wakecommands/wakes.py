# SPDX-License-Identifier: GPL-3.0-or-later
"""powerwake wakes."""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from typing import Any

from powernap.cli.wakecommands.base import ask, say, table
from powernap.shared.wakeapi import host_path

NAME = "wakes"
SUMMARY = "list the last wakes of all machines, or of one"
_HEADS = ("STARTED", "MACHINE", "RESULT", "PROVEN BY", "PACKETS", "AFTERWARDS", "WHO KNOCKED")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", metavar="NAME")


def run(options: argparse.Namespace) -> int:
    path = "/api/v1/wakes" if options.name is None else host_path(options.name) + "/wakes"
    content = ask(options).get(path)
    say(options, content, wakes_text(content["wakes"]) if content["wakes"] else "no wake is known of")
    return 0


def wakes_text(wakes: list[Mapping[str, Any]]) -> str:
    return table(_HEADS, map(_row, wakes))


def _row(wake: Mapping[str, Any]) -> tuple[str, ...]:
    started = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(wake["started"]))
    result = "under way" if wake["seconds"] is None else f"{wake['result']} after {wake['seconds']:.1f} s"
    others = len(wake["knocks"]) - 1 + wake["more_knocks"]
    who = f"{wake['asked_by']} ({wake['reason']})" + (f" and {others} more" if others > 0 else "")
    proof, verdict = wake["verified"] or "-", wake.get("verdict") or "-"
    return started, wake["host"], result, proof, str(wake["magic_packets"]), verdict, who
