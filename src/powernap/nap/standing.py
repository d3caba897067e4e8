# SPDX-License-Identifier: GPL-3.0-or-later
"""How this machine stands, in the few words that its wake server keeps of it (docs/protocol.md). Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from powernap.nap.evidence import Reading
from powernap.nap.policy import Policy
from powernap.nap.state import Phase, State, due

#: More monitors are not told of.
MOST = 32
LONGEST = 300
_WORDS = {
    Phase.WARNED: "warned",
    Phase.POWERSAVE: "powersave",
    Phase.SUSPENDING: "napping",
    Phase.ASLEEP: "napping",
}


def word(state: State) -> str:
    """Return awake, warned, powersave, napping or off."""
    said = _WORDS.get(state.phase, "awake")
    if said == "napping" and state.aim is not None and state.aim.action == "poweroff":
        return "off"
    return said


def standing(state: State, policy: Policy, readings: Iterable[Reading], now: float) -> dict[str, Any]:
    """Return the body of "state". Times are seconds from now, either way."""
    readings = tuple(readings)
    active = any(reading.active_now and reading.calls for reading in readings)
    deadline = None if policy.never or not readings or active else due(state, policy)
    return {
        "state": word(state),
        "since_seconds": round(max(0.0, now - state.since), 3),
        "why": _why(state, now)[:LONGEST],
        "next_at_seconds": None if deadline is None else round(max(0.0, deadline - now), 3),
        "activity": {reading.name: _activity(reading) for reading in readings[:MOST]},
    }


def _why(state: State, now: float) -> str:
    """What keeps it awake, or lets it go."""
    if state.reason or state.phase not in _WORDS:
        return state.reason or state.cause
    return "ordered" if state.ordered else f"idle for {max(0.0, now - state.idle_since):.0f} s"


def _activity(reading: Reading) -> dict[str, Any]:
    return {
        "active": reading.active_now or bool(reading.error),
        "value": reading.value,
        "threshold": reading.threshold,
        "unit": reading.unit,
    }
