# SPDX-License-Identifier: GPL-3.0-or-later
"""powerwake pending."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from powernap.cli.wakecommands.base import ago, ask, say, table

NAME = "pending"
SUMMARY = "list the machines that ask to be known"
_NONE = "no machine waits for approval"


def arguments(parser: argparse.ArgumentParser) -> None:
    """It has none of its own."""


def run(options: argparse.Namespace) -> int:
    content = ask(options).get("/api/v1/pending")
    heads = ("REQUEST", "NAME", "FROM", "FIRST", "LAST", "MACS", "WHAT IT IS")
    say(options, content, table(heads, map(_row, content["pending"])) if content["pending"] else _NONE)
    return 0


def _row(waiting: Mapping[str, Any]) -> tuple[str, ...]:
    times = ago(waiting["first_asked"]), ago(waiting["last_asked"])
    return (waiting["request"], waiting["name"], waiting["source"], *times, " ".join(waiting["macs"]), _what(waiting))


def _what(waiting: Mapping[str, Any]) -> str:
    said = waiting["verdict"] if not waiting["host"] else _LIKE.get(waiting["verdict"], "{}").format(waiting["host"])
    said += f": {waiting['why']}" if waiting["why"] else ""
    return said if waiting["status"] == "pending" else f"{waiting['status']}; {said}"


_LIKE = {
    "replaces": "replaces {}",
    "clone": "clone of {}",
    "twice": "uses the key of {}",
    "taken": "has the name of {}",
    "ambiguous": "like {} and others",
}
