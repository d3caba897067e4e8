# SPDX-License-Identifier: GPL-3.0-or-later
"""What every command is, and how it asks powernapd."""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Mapping
from typing import Any, Protocol

from powernap.nap import control
from powernap.nap.answers import ORDERS
from powernap.shared.errors import PowernapError

QUESTION_SECONDS = 15.0
ORDER_SECONDS = 100.0


class NotDone(PowernapError):
    """powernapd refused."""


class Command(Protocol):
    """A module of this package. ``run`` returns the exit status; it may raise PowernapError."""

    NAME: str
    SUMMARY: str

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        pass

    def run(self, options: argparse.Namespace) -> int:
        pass


def ask(options: argparse.Namespace, command: str, **more: Any) -> dict[str, Any]:
    """Return powernapd's answer. Raises NotDone where it refuses, ControlError where it does not answer."""
    order = command in ORDERS
    if order and os.geteuid() != 0:
        raise control.ControlError(f"{command} needs root: run it with sudo")
    request = {"command": command, **more}
    answer = control.ask(options.control_socket, request, ORDER_SECONDS if order else QUESTION_SECONDS)
    if not answer.get("ok"):
        raise NotDone(str(answer.get("error")))
    return answer


def say(options: argparse.Namespace, content: Mapping[str, Any], text: str) -> None:
    """Print the whole content for programs (--json), else the text for people."""
    print(json.dumps(content, indent=2) if options.json else text)


def stamp(wall: float) -> str:
    """Return a wall-clock time for people, as local time."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(wall))
