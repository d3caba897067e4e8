# SPDX-License-Identifier: GPL-3.0-or-later
"""powerwake list."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from powernap.cli.wakecommands.base import ago, ask, say, state_of, table

NAME = "list"
SUMMARY = "list the registered machines and their states"
_NONE = "no machine is registered: run the site playbook or 'powerwake register'"


def arguments(parser: argparse.ArgumentParser) -> None:
    """It has none of its own."""


def run(options: argparse.Namespace) -> int:
    content = ask(options).get("/v1/hosts")
    hosts = content["hosts"]
    heads = ("NAME", "GROUP", "STATE", "SINCE", "LAST WAKE", "ADDRESSES", "MACS")
    say(options, content, table(heads, map(_row, hosts)) if hosts else _NONE)
    return 0


def _row(host: Mapping[str, Any]) -> tuple[str, ...]:
    wake = host["last_wake"]
    woken = f"{wake['reason']}, {wake['seconds']:.1f} s" if wake else "-"
    facts = host["name"], host.get("group") or "-", state_of(host), ago(host["since"]), woken
    return (*facts, " ".join(host["addresses"]), " ".join(host["macs"]))
