# SPDX-License-Identifier: GPL-3.0-or-later
"""powerwake criers."""

from __future__ import annotations

import argparse
import time
from typing import Any

from powernap.cli.wakecommands.base import ago, ask, say, table

NAME = "criers"
SUMMARY = "show who wakes machines for nothing, who is no longer believed, and whose demand was ignored"


def arguments(parser: argparse.ArgumentParser) -> None:
    pass


def run(options: argparse.Namespace) -> int:
    content = ask(options).get("/api/v1/criers")
    parts = [_criers(content["criers"])] if content["criers"] else ["nobody has woken a machine by demand"]
    if content["refused"]:
        parts.append(_refused(content["refused"]))
    say(options, content, "\n\n".join(parts))
    return 0


def _criers(criers: list[dict[str, Any]]) -> str:
    heads = ("SOURCE", "MAC", "BY", "WAKES", "FOR NOTHING", "UNKNOWN", "LAST", "NOT BELIEVED")
    return table(heads, [_row(each) for each in criers])


def _row(each: dict[str, Any]) -> tuple[str, ...]:
    last = f"{each['host']}, {ago(each['last'])} ago"
    demoted = ""
    if each["demoted_until"] is not None:
        hours = max(0.0, each["demoted_until"] - time.time()) / 3600
        demoted = f"{each['reason']}; for {hours:.1f} h, or until 'powerwake pardon {each['source']} {each['by']}'"
    counts = (str(each[key]) for key in ("wakes", "false", "unknown"))
    return (each["source"], each["mac"], each["by"], *counts, last, demoted)


def _refused(refused: list[dict[str, Any]]) -> str:
    rows = [
        (each["source"], each["by"], str(each["count"]), f"{each['host']}, {ago(each['last'])} ago", each["reason"])
        for each in refused
    ]
    return table(("SOURCE", "BY", "IGNORED", "LAST", "WHY"), rows)
