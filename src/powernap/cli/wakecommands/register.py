# SPDX-License-Identifier: GPL-3.0-or-later
"""powerwake register."""

from __future__ import annotations

import argparse
import sys

from powernap.cli.wakecommands.base import ask, say
from powernap.shared.wakeapi import host_path, undescribed_group

NAME = "register"
SUMMARY = "register a machine, or replace what is known of it"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("--mac", action="append", required=True, help="may be given several times")
    parser.add_argument("--address", action="append", default=[], help="IP address; may be given several times")
    parser.add_argument("--wake-on", choices=("demand", "arp", "never"), help="default: what powerwaked.toml says")
    parser.add_argument("--group", metavar="NAME", help="a table [groups.NAME] of powerwaked.toml; default: no group")


def run(options: argparse.Namespace) -> int:
    body = {"macs": options.mac, "addresses": options.address, "wake_on": options.wake_on}
    if options.group is not None:
        body["group"] = options.group
    content = ask(options).put(host_path(options.name), body)
    done = "is registered" if content["changed"] else "was registered so already"
    said = f"{options.name} {done}; its key, for /etc/powernap/client.key there:\n{content['key']}"
    say(options, content, said)
    complaint = undescribed_group(content["host"])
    if complaint:
        print(f"powerwake: {complaint}", file=sys.stderr)
    return 0
