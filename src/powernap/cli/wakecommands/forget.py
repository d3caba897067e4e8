# SPDX-License-Identifier: GPL-3.0-or-later
"""powerwake forget."""

from __future__ import annotations

import argparse
import sys

from powernap.cli.wakecommands.base import ask, say
from powernap.shared.errors import Refused
from powernap.shared.wakeapi import WakeServer, host_path

NAME = "forget"
SUMMARY = "forget a machine; its key is gone for good"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME")


def run(options: argparse.Namespace) -> int:
    admin = ask(options)
    left = _left_asleep(admin, options.name)
    content = admin.delete(host_path(options.name))
    done = "is forgotten" if content["changed"] else "was not registered"
    say(options, content, f"{options.name} {done}")
    if left:
        print(f"powerwake: {left}", file=sys.stderr)
    return 0


def _left_asleep(admin: WakeServer, name: str) -> str:
    """A sentence where the machine sleeps: nobody will answer for it any more."""
    try:
        host = admin.get(host_path(name))
    except Refused:
        return ""
    if host["wake_state"] == "awake":
        return ""
    was, mac = host["status"]["state"], host["macs"][0]
    return f"{name} was {was} and wakes by no demand any more: run 'powerwake wake {mac}' to wake it"
