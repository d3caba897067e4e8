# SPDX-License-Identifier: GPL-3.0-or-later
"""From a recording (docs/recording.md) to a trace. Pure."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from powernap.shared.errors import PowernapError
from powernap.simulate.trace import Activity, Trace


@dataclass
class _Seen:
    """What is known of one monitor so far: the span that may go on, and whether it was active at the last look."""

    kind: str
    start: float
    end: float
    active: bool


def trace_of(records: Iterable[Mapping[str, Any]], local: Any = time.localtime) -> Trace:
    """Return the trace. Raises PowernapError where there is no record.

    CLOCK_BOOTTIME measures within a boot; the wall clock tells how far boots are apart. Activity goes on between two
    looks that both saw it; what only counts is taken to have been active at the look that counted it.
    """
    activities: list[Activity] = []
    seen: dict[str, _Seen] = {}
    began, offset, boot, now = 0.0, 0.0, None, 0.0
    first: Mapping[str, Any] | None = None
    for record in records:
        if not _valid(record):
            continue
        if first is None:
            first, began = record, float(record["t"])
        if record.get("boot") != boot:
            activities += [_activity(name, each) for name, each in seen.items()]
            seen, boot = {}, record.get("boot")
            offset = max(now, float(record["t"]) - began) - float(record["b"])
        now = float(record["b"]) + offset
        for name, monitor in record["monitors"].items():
            last = monitor.get("last")
            if isinstance(last, (int, float)):
                activities += _note(seen, str(name), monitor, max(0.0, min(float(last) + offset, now)), now)
            elif name in seen:
                seen[name].active = False
    if first is None:
        raise PowernapError("there is no record of a look in it: record a day with 'powernap record on'")
    activities += [_activity(name, each) for name, each in seen.items()]
    at = local(first["t"])
    second = at.tm_hour * 3600.0 + at.tm_min * 60.0 + at.tm_sec
    ordered = sorted(activities, key=lambda each: (each.start, each.end, each.monitor))
    return Trace(tuple(ordered), max(now, 1.0), second, at.tm_wday)


def _valid(record: Mapping[str, Any]) -> bool:
    numbers = all(type(record.get(key)) in (int, float) for key in ("t", "b"))
    monitors = record.get("monitors")
    return numbers and isinstance(monitors, Mapping) and all(isinstance(each, Mapping) for each in monitors.values())


def _note(seen: dict[str, _Seen], name: str, monitor: Mapping[str, Any], last: float, now: float) -> list[Activity]:
    """Extend the span of a monitor, or begin a new one and return the old."""
    before = seen.get(name)
    active = bool(monitor.get("active")) or (bool(monitor.get("counts")) and last >= now)
    if before is not None and last <= before.end:
        before.active = active
        return []
    if before is not None and before.active:
        before.end, before.active = last, active
        return []
    seen[name] = _Seen(str(monitor.get("kind", "")), last, last, active)
    return [] if before is None else [_activity(name, before)]


def _activity(name: str, seen: _Seen) -> Activity:
    return Activity(seen.start, seen.end, name, seen.kind)
