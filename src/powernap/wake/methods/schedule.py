# SPDX-License-Identifier: GPL-3.0-or-later
"""Which way of waking is tried when: "NAME", or "NAME@SECONDS" from so many seconds after the first volley on. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from powernap.shared.errors import PowernapError
from powernap.shared.schema import suggestion
from powernap.wake.methods.base import WakeMethod

_LAST_SECOND = 3600


class BadSchedule(PowernapError):
    """A list of ways of waking that makes no sense."""


class Step(NamedTuple):
    """`start`: seconds after the first volley."""

    method: str
    start: float


Schedule = tuple[Step, ...]


def parse_schedule(texts: Iterable[str], known: Iterable[str]) -> Schedule:
    """In the order in which they are tried within one volley. Raises BadSchedule."""
    names = tuple(known)
    steps: list[Step] = []
    for text in texts:
        name, at, seconds = text.partition("@")
        if name not in names:
            raise BadSchedule(
                f"{text!r}: there is no way of waking {name!r}"
                + (suggestion(name, names) or f": choose among {', '.join(names)}")
            )
        if any(step.method == name for step in steps):
            raise BadSchedule(f"{text!r}: {name} is there twice: leave one out")
        steps.append(Step(name, _seconds(text, seconds) if at else 0.0))
    if not any(step.start == 0 for step in steps):
        raise BadSchedule("nothing is tried at once: give at least one way of waking without @SECONDS")
    return tuple(steps)


def _seconds(text: str, seconds: str) -> float:
    try:
        value = float(seconds)
    except ValueError:
        value = -1.0
    if not 0 <= value <= _LAST_SECOND:
        raise BadSchedule(f"{text!r}: write the second from which on it is tried after the @, such as exec@10")
    return value


def starts(schedules: Iterable[Schedule]) -> tuple[float, ...]:
    """When something new begins, the first volley apart: Policy.escalate_at."""
    return tuple(sorted({step.start for schedule in schedules for step in schedule} - {0.0}))


def due(
    schedule: Schedule, methods: Mapping[str, type[WakeMethod]], times: tuple[float, ...], volley: int
) -> tuple[str, ...]:
    """What volley number `volley` (from 0) consists of, where volleys leave at `times`.

    Those beyond the last, which new demand sends, consist of all that is tried more than once.
    """
    found = []
    for step in schedule:
        if volley >= len(times):
            if not methods[step.method].once:
                found.append(step.method)
        elif step.start <= times[volley]:
            first = volley == 0 or step.start > times[volley - 1]
            if first or not methods[step.method].once:
                found.append(step.method)
    return tuple(found)
