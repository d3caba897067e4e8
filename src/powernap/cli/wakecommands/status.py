# SPDX-License-Identifier: GPL-3.0-or-later
"""powerwake status."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from powernap.cli.wakecommands.base import ago, ask, say
from powernap.shared.wakeapi import host_path

NAME = "status"
SUMMARY = "show the wake server, or one machine, in full"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", metavar="NAME")


def run(options: argparse.Namespace) -> int:
    admin = ask(options)
    if options.name is None:
        content = admin.get("/v1/status")
        say(options, content, _server(content))
    else:
        content = admin.get(host_path(options.name))
        say(options, content, _host(content))
    return 0


def _server(content: Mapping[str, Any]) -> str:
    counts = ", ".join(f"{count} {state}" for state, count in content["states"].items() if count) or "none"
    lines = [f"powerwaked {content['version']}, up {ago(content['started_at'])}", f"machines: {counts}"]
    for card in content["interfaces"]:
        dropped = ", ".join(f"{count} {reason}" for reason, count in card["dropped"].items() if count) or "none"
        lines.append(f"{card['name']}: {card['packet_path']}, {card['frames']} frames, dropped: {dropped}")
    lines += [f"warning: {warning}" for warning in content["warnings"]]
    return "\n".join(lines)


def _host(content: Mapping[str, Any]) -> str:
    wake = content["last_wake"]
    lines = [
        f"{content['name']}: {content['state']} for {ago(content['since'])}",
        f"cards: {' '.join(content['macs'])}",
        f"addresses: {' '.join(content['addresses']) or 'none known'}",
        f"wakes on: {content['wake_on']}; TCP {content['tcp_ports'] or 'none'}; UDP {content['udp_ports'] or 'none'}",
        f"last wake: {wake['seconds']} s, {wake['reason']} ({wake['asked_by']})" if wake else "last wake: none",
    ]
    return "\n".join(lines)
