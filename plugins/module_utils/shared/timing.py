# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What will run by itself, and when: systemd's timers, cron and at."""

from __future__ import annotations

import calendar
import os
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Iterator, Sequence

from . import atjobs, cron

Run = Callable[[Sequence[str]], "tuple[int, str, str]"]

PROPERTIES = "Id,NextElapseUSecRealtime,NextElapseUSecMonotonic,WakeSystem"
# By TZ all versions of systemctl tell the time in UTC; --timestamp came with systemd 247
COMMAND = ("env", "TZ=UTC", "systemctl", "show", "*.timer", f"--property={PROPERTIES}")
#: systemd.time(7), in seconds, as systemctl writes them
UNITS = {
    "y": 31557600.0,
    "month": 2629800.0,
    "w": 604800.0,
    "d": 86400.0,
    "h": 3600.0,
    "min": 60.0,
    "s": 1.0,
    "ms": 1e-3,
    "us": 1e-6,
}
_STAMP = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)(?:\.\d+)? UTC\Z")
_SPAN = re.compile(r"([0-9]+(?:\.[0-9]+)?)([a-z]+)\Z")


@dataclass(frozen=True)
class Clocks:
    """Seconds: since the epoch, and of CLOCK_MONOTONIC."""

    wall: float
    monotonic: float

    @classmethod
    def now(cls) -> Clocks:
        return cls(time.time(), time.clock_gettime(time.CLOCK_MONOTONIC))


def read(run: Run, root: str, clocks: Clocks) -> tuple[list[dict[str, Any]], list[str]]:
    """Return what comes, the next first, and what could not be read, one sentence each."""
    found: list[tuple[float, str, str, bool]] = []
    problems: list[str] = []
    if os.path.isdir(os.path.join(root, "run/systemd/system")):
        status, output, errors = run(COMMAND)
        if status == 0:
            found += [(at, "systemd", name, wakes) for name, at, wakes in systemd(output, clocks)]
        else:
            problems.append(f"systemd's timers: {errors.strip() or 'systemctl failed'}")
    jobs, unread = cron.read(clocks.wall, Path(root))
    found += [(job.at, "cron", job.name[len("cron ") :], False) for job in jobs]
    at_jobs, unread_at = atjobs.read(Path(root))
    found += [(at, "at", name, False) for name, at in at_jobs]
    return [_shown(each, clocks.wall) for each in sorted(found)], [*problems, *unread, *unread_at]


def systemd(output: str, clocks: Clocks) -> Iterator[tuple[str, float, bool]]:
    """Yield (name, seconds since the epoch, whether it wakes the machine) of each timer that will elapse."""
    for block in output.split("\n\n"):
        said = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        due = [_stamp(said.get("NextElapseUSecRealtime", ""))]
        span = _span(said.get("NextElapseUSecMonotonic", ""))
        due.append(None if span is None else clocks.wall + span - clocks.monotonic)
        times = [at for at in due if at is not None]
        if times:
            yield said.get("Id", ""), min(times), said.get("WakeSystem") == "yes"


def _stamp(text: str) -> float | None:
    match = _STAMP.search(text)
    return float(calendar.timegm(time.strptime(match.group(1), "%Y-%m-%d %H:%M:%S"))) if match else None


def _span(text: str) -> float | None:
    """Return the seconds of a time span such as "1d 2h 3.5s"; None for "infinity" and what is none."""
    matches = [_SPAN.match(word) for word in text.split()]
    if not matches or not all(match and match.group(2) in UNITS for match in matches):
        return None
    return sum(float(match.group(1)) * UNITS[match.group(2)] for match in matches if match) or None


def _shown(found: tuple[float, str, str, bool], wall: float) -> dict[str, Any]:
    at, kind, name, wakes = found
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))
    return {"kind": kind, "name": name, "next": stamp, "in_seconds": max(0, round(at - wall)), "wakes": wakes}
