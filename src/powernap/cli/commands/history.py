# SPDX-License-Identifier: GPL-3.0-or-later
"""powernap history."""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from powernap.cli.commands.base import QUESTION_SECONDS, NotDone, say, stamp
from powernap.config.sections import EnergySettings
from powernap.nap import control, history, history_text, jsonlines
from powernap.shared.errors import PowernapError

NAME = "history"
SUMMARY = "naps, wakes and their causes, time asleep, energy saved (estimated)"
UNITS = {"m": 60.0, "h": 3600.0, "d": 86400.0, "w": 7 * 86400.0}


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--since", default="7d", metavar="TIME", help="such as 12h, 7d or 4w (default: %(default)s)")
    parser.add_argument("--file", metavar="FILE", help="read this file, without powernapd (default: powernapd's own)")


def run(options: argparse.Namespace) -> int:
    now = time.time()
    since = now - seconds_of(options.since)
    energy, problem = EnergySettings(), ""
    if options.file:
        lines: Iterable[Mapping[str, Any]] = _from_file(Path(options.file))
    else:
        answers = control.follow(
            options.control_socket, {"command": NAME, "since": since}, QUESTION_SECONDS, QUESTION_SECONDS
        )
        first: Mapping[str, Any] = next(answers, {"ok": False, "error": "powernapd ended"})
        if not first.get("ok"):
            raise NotDone(str(first.get("error")))
        energy, problem = EnergySettings(**dict(first["energy"])), str(first["error"])
        lines = _to_its_end(answers)
    content = {"ok": True, **history.summary(lines, since, now, energy), "error": problem}
    say(options, content, history_text.text(content, stamp))
    return 0


def _from_file(path: Path) -> Iterator[dict[str, Any]]:
    lines = 0
    try:
        for line in jsonlines.read(path):
            lines += "state" in line
            yield line
    except OSError as error:
        raise PowernapError(f"{path} cannot be read: {error.strerror}") from error
    if not lines:
        raise PowernapError(
            f"{path}: there is no history in it: name a copy of {history.FILE} of powernapd's state directory"
        )


def _to_its_end(answers: Iterator[dict[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for line in answers:
        if line.get("end"):
            return
        if line.get("ok") is False:
            raise NotDone(str(line.get("error")))
        yield line
    raise NotDone("powernapd ended before it had told all")


def seconds_of(text: str) -> float:
    """Return the seconds of a time such as 7d. Raises PowernapError."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([mhdw])", text)
    if found is None:
        raise PowernapError(f"--since: {text!r} is no time such as 90m, 12h, 7d or 4w")
    return float(found[1]) * UNITS[found[2]]
