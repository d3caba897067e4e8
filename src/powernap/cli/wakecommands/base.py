# SPDX-License-Identifier: GPL-3.0-or-later
"""What every command of `powerwake` is, how it asks powerwaked, and how it writes."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from powernap.shared.wakeapi import WakeServer, read_token


class Command(Protocol):
    """A module of this package. ``run`` returns the exit status; it may raise PowernapError."""

    NAME: str
    SUMMARY: str

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        pass

    def run(self, options: argparse.Namespace) -> int:
        pass


def ask(options: argparse.Namespace) -> WakeServer:
    """The API of the wake server that is meant. Its calls raise ServerDown or Refused. Raises BadValue."""
    token = read_token(options.token_file) if options.server and options.token_file else ""
    return WakeServer(options.socket, options.server, token, options.ca_file)


def say(options: argparse.Namespace, content: Mapping[str, Any], text: str) -> None:
    """Print the whole content for programs (--json), else the text for people."""
    print(json.dumps(content, indent=2) if options.json else text)


def seconds(text: str) -> float:
    """An argument: a time to wait, in seconds."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value <= 3600:
        raise argparse.ArgumentTypeError(f"{text!r} is no time to wait: give seconds, up to 3600")
    return value


def ago(time_then: float) -> str:
    """How long ago a wall-clock time was, for people."""
    passed = max(0, int(time.time() - time_then))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if passed >= size:
            return f"{passed // size} {unit}"
    return f"{passed} s"


def state_of(host: Mapping[str, Any]) -> str:
    """A machine's state, and what it waits for."""
    return str(host["status"]["state"]) + (" (waits for its turn)" if host.get("waits_for_turn") else "")


def seen_by(host: Mapping[str, Any]) -> str:
    """By what it is known that a machine is what it is, and how old that is."""
    status = host["status"]
    if status["evidence_at"] is None:
        return status["evidence"] or "-"
    return f"{status['evidence']}, {ago(status['evidence_at'])} ago"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Columns side by side, the last one ragged."""
    lines = [list(heads), *(list(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(heads) - 1)]
    return "\n".join(
        "  ".join([*(line[i].ljust(width) for i, width in enumerate(widths)), line[-1]]).rstrip() for line in lines
    )


def plain(value: Any) -> str:
    """Whatever the API says, for people: "waiting 2, on time yes"; "none" where it is empty."""
    if isinstance(value, Mapping):
        return ", ".join(f"{str(key).replace('_', ' ')} {plain(item)}" for key, item in value.items()) or "none"
    if isinstance(value, (list, tuple)):
        return "; ".join(plain(item) for item in value) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3f}".rstrip("0").rstrip(".")
    return "none" if value is None or value == "" else str(value)


def others(content: Mapping[str, Any], told: Iterable[str]) -> list[str]:
    """A line for each field that is not among those told already."""
    return [f"{key.replace('_', ' ')}: {plain(value)}" for key, value in content.items() if key not in set(told)]
