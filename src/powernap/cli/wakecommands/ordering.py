# SPDX-License-Identifier: GPL-3.0-or-later
"""What all commands that give orders to machines have in common: whom they mean, how they wait, what they print."""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from typing import Any

from powernap.cli.wakecommands.base import ask, say, seconds
from powernap.shared.errors import BadValue
from powernap.shared.wakeapi import WakeServer

_LOOK_SECONDS = 0.3
#: Outcomes with which whoever gave the order can be content.
_WELL = ("done", "would")


def whom(parser: argparse.ArgumentParser, name: str = "NAME") -> None:
    """Arguments that say for which machines an order is."""
    parser.add_argument("targets", nargs="*", metavar=name, help="machines, or patterns of their names such as 'web*'")
    parser.add_argument("--group", metavar="NAME", help='machines of this group; "" for those of none')
    parser.add_argument(
        "--where",
        action="append",
        default=[],
        type=_where,
        metavar="KEY=VALUE",
        help="only machines that are so: state=awake,warned or group=NAME or name=PATTERN; may be given several times",
    )
    parser.add_argument("--all", action="store_true", help="every machine")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done to whom, and why not")
    parser.add_argument("--rate", type=_rate, metavar="N[/min]", help="begin with so many machines in a minute")
    parser.add_argument("--at-once", type=int, metavar="N", help="be busy with so many machines at the same time")
    parser.add_argument(
        "--timeout", type=seconds, default=120.0, metavar="SECONDS", help="for each machine; default: 120"
    )


def is_one(options: argparse.Namespace) -> bool:
    """One machine is meant, by what it is known by, and nothing else is said of the order."""
    said = (options.group is not None, options.where, options.all, options.dry_run, options.rate, options.at_once)
    return len(options.targets) == 1 and not any(said) and not _is_pattern(options.targets[0])


def _is_pattern(target: str) -> bool:
    return any(letter in target for letter in "*?[")


def wakes(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--wake", action="store_true", help="wake machines that sleep for it")


def give(options: argparse.Namespace, verb: str, arguments: Mapping[str, Any]) -> int:
    """Give the order and wait until it is through. Returns the exit status: 1 where a machine did not do it."""
    server = ask(options)
    order = server.post("/api/v1/orders", _body(options, verb, arguments))
    try:
        order = _wait(server, order)
    except KeyboardInterrupt:
        order = server.delete(f"/api/v1/orders/{order['id']}")
        say(options, order, f"cancelled; 'powerwake orders {order['id']}' shows what was done")
        return 130
    say(options, order, text_of(order))
    results = order["results"].values()
    return 0 if results and all(result["outcome"] in _WELL for result in results) else 1


def _wait(server: WakeServer, order: dict[str, Any]) -> dict[str, Any]:
    while order["ended"] is None:
        time.sleep(_LOOK_SECONDS)
        order = server.get(f"/api/v1/orders/{order['id']}")
    return order


def _body(options: argparse.Namespace, verb: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    patterns = [target for target in options.targets if _is_pattern(target)]
    names = [target for target in options.targets if target not in patterns]
    said = dict(options.where)
    if options.group is not None:
        said["group"] = options.group
    if patterns and (names or len(patterns) > 1):
        raise BadValue("give names, or one pattern of names")
    if not options.targets and not said and not options.all:
        raise BadValue("nobody is meant: name machines, or give --group, --where or --all")
    body: dict[str, Any] = {"verb": verb, "arguments": dict(arguments), "timeout_seconds": options.timeout}
    body |= {"dry_run": options.dry_run, "wake": getattr(options, "wake", False), "all": options.all}
    if names:
        body["hosts"] = names
    if patterns or "name" in said:
        body["match"] = patterns[0] if patterns else said["name"]
    if "group" in said:
        body["group"] = said["group"]
    if "state" in said:
        body["state"] = said["state"].split(",")
    if options.rate is not None:
        body["per_minute"] = options.rate
    if options.at_once is not None:
        body["at_once"] = options.at_once
    return body


def text_of(order: Mapping[str, Any]) -> str:
    """A line for each machine, and how many did what."""
    lines = [_line(name, result) for name, result in order["results"].items()]
    if len(lines) != 1:
        counts = ", ".join(f"{count} {outcome}" for outcome, count in order["counts"].items())
        lines.append(f"{order['verb']}: {counts}" if counts else "no machine is meant by that")
    return "\n".join(lines)


def _line(name: str, result: Mapping[str, Any]) -> str:
    took = f" ({result['seconds']:.1f} s)" if result["seconds"] else ""
    said = f": {result['said']}" if result["said"] else ""
    return f"{name}: {result['outcome']}{said}{took}"


def _where(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or key not in ("state", "group", "name"):
        raise argparse.ArgumentTypeError(f"{text!r} asks for nothing: write state=STATE, group=NAME or name=PATTERN")
    return key, value


def _rate(text: str) -> int:
    number = text.removesuffix("/min")
    if not number.isdigit() or not 1 <= int(number) <= 1_000_000:
        raise argparse.ArgumentTypeError(f"{text!r} is no rate: write machines in a minute, such as 60/min")
    return int(number)
