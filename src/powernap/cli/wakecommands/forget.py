# SPDX-License-Identifier: GPL-3.0-or-later
"""powerwake forget."""

from __future__ import annotations

import argparse

from powernap.cli.wakecommands.base import ask, say
from powernap.shared.wakeapi import host_path

NAME = "forget"
SUMMARY = "forget a machine; its key is gone for good"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME")


def run(options: argparse.Namespace) -> int:
    content = ask(options).delete(host_path(options.name))
    done = "is forgotten" if content["changed"] else "was not registered"
    say(options, content, f"{options.name} {done}")
    return 0
