# SPDX-License-Identifier: GPL-3.0-or-later
"""powerwake list."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from powernap.cli.wakecommands.base import ago, ask, say, seen_by, state_of, table

NAME = "list"
SUMMARY = "list the registered machines and their states"
_NONE_FITS = "no machine fits"
_NONE = "no machine is registered: run the site playbook, or see 'powerwake pending' for those that ask"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("pattern", nargs="?", metavar="NAME", help="only machines whose name fits, such as 'web*'")
    parser.add_argument("--state", metavar="STATE[,STATE]", help="only machines in these states")
    parser.add_argument("--group", metavar="NAME", help='only machines of this group; "" for those of none')


def run(options: argparse.Namespace) -> int:
    hosts = list(ask(options).hosts(pattern=options.pattern, state=options.state, group=options.group))
    heads = ("NAME", "GROUP", "STATE", "SINCE", "SEEN BY", "LAST WAKE", "ADDRESSES", "MACS")
    none = _NONE_FITS if options.pattern or options.state or options.group is not None else _NONE
    say(options, {"hosts": hosts}, table(heads, map(_row, hosts)) if hosts else none)
    return 0


def _row(host: Mapping[str, Any]) -> tuple[str, ...]:
    wake = host["last_wake"]
    woken = f"{wake['reason']}, {wake['seconds']:.1f} s" if wake else "-"
    facts = host["name"], host.get("group") or "-", state_of(host), ago(host["status"]["since"]), seen_by(host), woken
    return (*facts, " ".join(host["addresses"]), " ".join(host["macs"]))
