# SPDX-License-Identifier: GPL-3.0-or-later
"""powerwake orders."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from powernap.cli.wakecommands.base import ago, ask, say, table
from powernap.cli.wakecommands.ordering import text_of

NAME = "orders"
SUMMARY = "show the last orders to machines, or one in full; cancel one"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", nargs="?", metavar="ID")
    parser.add_argument("--cancel", action="store_true", help="those of its machines whose turn has not come")


def run(options: argparse.Namespace) -> int:
    server = ask(options)
    if options.id is None:
        content = server.get("/api/v1/orders")
        heads = ("ID", "VERB", "STATE", "AGE", "BY", "MACHINES")
        rows = [_row(order) for order in content["orders"]]
        say(options, content, table(heads, rows) if rows else "no order was given since powerwaked started")
        return 0
    path = f"/api/v1/orders/{options.id}"
    order = server.delete(path) if options.cancel else server.get(path)
    say(options, order, f"{order['verb']} by {order['by']}, {order['state']}\n{text_of(order)}")
    return 0


def _row(order: Mapping[str, Any]) -> tuple[str, ...]:
    counts = ", ".join(f"{count} {outcome}" for outcome, count in order["counts"].items()) or "none"
    return order["id"], order["verb"], order["state"], ago(order["at"]), order["by"], counts
