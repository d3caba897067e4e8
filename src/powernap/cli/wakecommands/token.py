# SPDX-License-Identifier: GPL-3.0-or-later
"""powerwake token."""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Mapping
from typing import Any

from powernap.cli.wakecommands import reaching
from powernap.cli.wakecommands.base import ago, ask, say, table

NAME = "token"
SUMMARY = "make, list and revoke tokens, with which others use the API or clients enrol"
# Not where its output is kept in a file.
_USE = {
    "enrol": "on the machine, as root: powernap enrol --server https://WAKE-SERVER:20709 --token -",
    "api": "write it to a file, chmod 600 it, and give that with --token-file",
}
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400, "y": 365 * 86400}
_HEADS = ("ID", "KIND", "ROLE", "NAME", "GROUP", "USES LEFT", "EXPIRES", "LAST USED")


def arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="create|list|revoke")
    create = verbs.add_parser("create", help="make a token; it is printed once, and kept by nobody")
    create.add_argument("--name", required=True, help="whose it is, for the audit log")
    what = create.add_mutually_exclusive_group(required=True)
    what.add_argument("--role", choices=("viewer", "operator", "admin"), help="what its holder may do")
    what.add_argument("--enrol", action="store_true", help="a token with which clients become known")
    create.add_argument("--uses", type=_uses, help='with --enrol: how many clients, or "any" (default: 1)')
    create.add_argument("--group", help="with --enrol: the group of those clients")
    create.add_argument("--expires", type=duration, metavar="TIME", help='such as 12h or 30d; "never" (default: 30d)')
    verbs.add_parser("list", help="show all tokens, without their secrets")
    revoke = verbs.add_parser("revoke", help="let a token be good no more")
    revoke.add_argument("id", metavar="ID", help="as 'powerwake token list' shows it")
    for each in verbs.choices.values():
        reaching.options(each, again=True)


def run(options: argparse.Namespace) -> int:
    return {"create": _create, "list": _list, "revoke": _revoke}[options.verb](options)


def _create(options: argparse.Namespace) -> int:
    body: dict[str, Any] = {"name": options.name, "expires_seconds": options.expires or None}
    if options.expires is None:
        body["expires_seconds"] = 30 * 86400
    if options.enrol:
        body |= {"kind": "enrol", "uses": 1 if options.uses is None else options.uses or None}
        body |= {"group": options.group} if options.group else {}
    else:
        body["role"] = options.role
        # The server says what does not go together.
        body |= {"uses": options.uses} if options.uses else {}
        body |= {"group": options.group} if options.group else {}
    content = ask(options).post("/api/v1/tokens", body)
    say(options, content, content["token"])
    if sys.stdout.isatty() and not options.json:
        print(_USE["enrol" if options.enrol else "api"], file=sys.stderr)
    return 0


def _list(options: argparse.Namespace) -> int:
    content = ask(options).get("/api/v1/tokens")
    tokens = content["tokens"]
    say(options, content, table(_HEADS, map(_row, tokens)) if tokens else "there is no token: 'powerwake token create'")
    return 0


def _revoke(options: argparse.Namespace) -> int:
    content = ask(options).delete(f"/api/v1/tokens/{options.id}")
    done = "is revoked" if content["changed"] else "was not there"
    say(options, content, f"{options.id} {done}")
    return 0


def _row(token: Mapping[str, Any]) -> tuple[str, ...]:
    uses = "-" if token["kind"] == "api" else "any" if token["uses_left"] is None else str(token["uses_left"])
    used = "never" if token["last_used"] is None else f"{ago(token['last_used'])} ago"
    facts = token["id"], token["kind"], token["role"] or "-", token["name"], token["group"] or "-"
    return (*facts, uses, _until(token["expires"]), used)


def _until(expires: float | None) -> str:
    if expires is None:
        return "never"
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(expires))
    return f"{when}, over" if expires < time.time() else when


def duration(text: str) -> float:
    """An argument: 90s, 15m, 12h, 30d, 2w, 1y or "never" (0). Seconds."""
    if text == "never":
        return 0.0
    found = re.fullmatch(r"(\d{1,9})([smhdwy])", text)
    if found is None or not int(found[1]):
        raise argparse.ArgumentTypeError(f'{text!r} is no time: write it as 12h, 30d or 1y, or "never"')
    return float(int(found[1]) * _UNITS[found[2]])


def _uses(text: str) -> int:
    """0 stands for any number."""
    if text == "any":
        return 0
    if not text.isdigit() or not int(text):
        raise argparse.ArgumentTypeError(f'{text!r} is no number of clients: write 1, 20 or "any"')
    return int(text)
