# SPDX-License-Identifier: GPL-3.0-or-later
"""powerwake audit."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping
from typing import Any

from powernap.cli.wakecommands.base import ask, say, table

NAME = "audit"
SUMMARY = "show who asked for what, the newest first"
_HEADS = ("WHEN", "WHO", "ROLE", "FROM", "ASKED FOR", "OUTCOME")
_PAGE = 1000
_LONGEST_BODY = 100
#: Of an order, in the order of their weight.
_ORDER = ("verb", "target", "name", "hosts", "group", "match", "state", "all", "arguments", "dry_run", "wake")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--last", type=_count, default=50, metavar="NUMBER", help="how many; default: 50")


def run(options: argparse.Namespace) -> int:
    server, before = ask(options), None
    entries: list[dict[str, Any]] = []
    while len(entries) < options.last:
        page = server.get("/api/v1/audit", limit=min(_PAGE, options.last - len(entries)), before=before)["entries"]
        if not page:
            break
        entries += page
        before = page[-1]["number"]
    text = table(_HEADS, map(_row, entries)) if entries else "nobody has changed anything yet"
    say(options, {"entries": entries}, text)
    return 0


def _row(entry: Mapping[str, Any]) -> tuple[str, ...]:
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(entry["at"]))
    body = " ".join(_said(entry["body"]).split())
    body = body if len(body) <= _LONGEST_BODY else body[: _LONGEST_BODY - 3] + "..."
    asked = f"{entry['method']} {entry['path'].removeprefix('/api/v1')} {body}".rstrip()
    outcome = "under way, or powerwaked ended" if entry["status"] is None else f"{entry['status']} {entry['outcome']}"
    return tuple(_harmless(each) for each in (when, entry["who"], entry["role"], entry["address"], asked, outcome))


def _said(body: str) -> str:
    """What a request says, without what says nothing, and whom it concerns before how it is to be done."""
    try:
        content = json.loads(body)
    except ValueError:
        return body
    if not isinstance(content, dict):
        return body
    said = {key: value for key, value in content.items() if value not in (None, [], {}) and value is not False}
    order = sorted(said, key=lambda key: _ORDER.index(key) if key in _ORDER else len(_ORDER))
    return ", ".join(f"{key}={json.dumps(said[key], ensure_ascii=False)}" for key in order)


def _harmless(text: str) -> str:
    """What others have sent may have been meant for the terminal."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)


def _count(text: str) -> int:
    if not text.isdigit() or not 0 < int(text) <= 100_000:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of entries: give 1 to 100000")
    return int(text)
