# SPDX-License-Identifier: GPL-3.0-or-later
"""powerwake watch."""

from __future__ import annotations

import argparse
import json
import time

from powernap.cli.wakecommands.base import ask
from powernap.cli.wakecommands.follow import Events, clock
from powernap.shared.wakeapi import host_path

NAME = "watch"
SUMMARY = "follow what powerwaked does, event by event"
_POLL_SECONDS = 0.5


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", metavar="NAME", help="only what concerns this machine")


def run(options: argparse.Namespace) -> int:
    admin = ask(options)
    if options.name is not None:
        admin.get(host_path(options.name))
    events = Events(admin)
    while True:
        for event in events.new():
            if options.name in (None, event["host"]):
                what = f"{event['host']}: {event['event']}" if event["host"] else event["event"]
                text = f"{clock(event['time'])} {what}" + (f": {event['detail']}" if event["detail"] else "")
                print(json.dumps(event) if options.json else text, flush=True)
        time.sleep(_POLL_SECONDS)
