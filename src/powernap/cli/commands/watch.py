# SPDX-License-Identifier: GPL-3.0-or-later
"""powernap watch."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from typing import Any

from powernap.cli.commands.base import QUESTION_SECONDS, NotDone, stamp
from powernap.nap import control, report_text

NAME = "watch"
SUMMARY = "every decision as it is made"


def arguments(parser: argparse.ArgumentParser) -> None:
    """It has none of its own."""


def run(options: argparse.Namespace) -> int:
    for line in control.follow(options.control_socket, {"command": NAME}, QUESTION_SECONDS, None):
        if "ok" not in line:
            _show(options, line)
        elif not line["ok"]:
            raise NotDone(str(line.get("error")))
        elif line.get("decision"):
            _show(options, line["decision"])
    raise NotDone("powernapd has ended, or what it said was not read fast enough")


def _show(options: argparse.Namespace, record: Mapping[str, Any]) -> None:
    print(json.dumps(record) if options.json else report_text.decision_text(record, stamp), flush=True)
