# SPDX-License-Identifier: GPL-3.0-or-later
"""powerwake list."""

from __future__ import annotations

import argparse

from powernap.cli.wakecommands.base import ago, ask, say, table

NAME = "list"
SUMMARY = "list the registered machines and their states"
_NONE = "no machine is registered: run the site playbook or 'powerwake register'"


def arguments(parser: argparse.ArgumentParser) -> None:
    """It has none of its own."""


def run(options: argparse.Namespace) -> int:
    content = ask(options).get("/v1/hosts")
    hosts = content["hosts"]
    rows = [(h["name"], h["state"], ago(h["since"]), " ".join(h["addresses"]), " ".join(h["macs"])) for h in hosts]
    say(options, content, table(("NAME", "STATE", "SINCE", "ADDRESSES", "MACS"), rows) if hosts else _NONE)
    return 0
