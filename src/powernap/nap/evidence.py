# SPDX-License-Identifier: GPL-3.0-or-later
"""What the monitors say, and what it amounts to. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Reading:
    """One look of one monitor. Times are seconds of CLOCK_BOOTTIME.

    ``counts``: the source tells only that something happened since the last look, not when.
    ``serves``: of one that counts, for so many seconds nobody need look to know, at the next look, of all activity.
    ``calls``: the monitor calls by itself when the activity that it reports ends or, while armed, when one begins.
    ``value``, ``threshold``: where it measures, what it found and from where on that is activity, both in ``unit``.
    """

    name: str
    kind: str
    last_active: float | None = None
    active_now: bool = False
    detail: str = ""
    source: str = ""
    error: str = ""
    counts: bool = False
    calls: bool = False
    serves: float = 0.0
    value: float | None = None
    threshold: float | None = None
    unit: str = ""


@dataclass(frozen=True)
class Evidence:
    """All readings of one look taken together.

    ``last``: the newest activity, or None; ``cause``: whose it was; ``held``: active until a monitor calls;
    ``serves``: for so many seconds none of those that count need be looked at.
    """

    last: float | None
    cause: str
    held: bool
    counts: bool
    calls: bool
    empty: bool
    serves: float = 0.0


def weigh(
    readings: Iterable[Reading], now: float, before: frozenset[str] = frozenset(), looked: float = 0.0
) -> Evidence:
    """Sum up. A monitor that fails counts as active now; a time in the future counts as now.

    ``before``: who was active at the look before this, at ``looked``: what ended since then ended nobody knows when,
    unless the monitor itself tells.
    """
    readings = tuple(readings)
    last: float | None = None
    cause = ""
    for reading in readings:
        when = now if reading.active_now or reading.error else reading.last_active
        if reading.name in before and (when is None or when < looked):
            when = now
        if when is None:
            continue
        when = min(when, now)
        if last is None or when > last:
            last, cause = when, describe(reading)
    unsettled = restless(readings)
    return Evidence(
        last=last,
        cause=cause,
        held=any(reading.active_now and reading.calls and not reading.error for reading in readings),
        counts=bool(unsettled),
        calls=all(reading.calls and not reading.error for reading in readings),
        empty=not readings,
        serves=min((reading.serves for reading in readings if reading.name in unsettled), default=0.0),
    )


def active(readings: Iterable[Reading]) -> frozenset[str]:
    """Return the names of those that are active now, or fail."""
    return frozenset(reading.name for reading in readings if reading.active_now or reading.error)


def restless(readings: Iterable[Reading]) -> frozenset[str]:
    """Return the names of those that must be looked at between deadlines: the others keep time, or call."""
    return frozenset(
        reading.name
        for reading in readings
        if reading.counts or reading.error or (reading.active_now and not reading.calls)
    )


def describe(reading: Reading) -> str:
    """Return whose activity it is, for people."""
    what = reading.error or reading.detail
    return f"{reading.kind} monitor {reading.name}" + (f": {what}" if what else "")
