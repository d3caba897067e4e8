# SPDX-License-Identifier: GPL-3.0-or-later
"""When to look again. Pure. Whatever the answer: either a time, or somebody has promised to call."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from powernap.nap.conditions import Conditions, next_look
from powernap.nap.evidence import Evidence, Reading, restless
from powernap.nap.policy import Policy
from powernap.nap.state import NEVER, Ask, Phase, State, due, next_step, untaken

#: Longest time between looks while people are warned, and while something is to be taken back (unless monitors call).
GRACE_LOOK_SECONDS = 1.0
POWERSAVE_LOOK_SECONDS = 2.0
#: Shortest time between looks at monitors that only count, and at the clock of the wall.
SHORTEST_LOOK_SECONDS = 0.1
#: Between looks at power, lid and screens where nobody calls when they change.
SURROUNDINGS_LOOK_SECONDS = 60.0
#: Many batteries do not say that they lose a percent: Documentation/power/power_supply_class.rst promises no event.
BATTERY_LOOK_SECONDS = 120.0


def look_at(state: State, policy: Policy, evidence: Evidence, at: float | None) -> float | None:
    """Return when to look again: at that time, or sooner where a monitor cannot call or cannot tell when.

    None: a monitor that sees activity calls at its end, or all call at the next activity and nothing is due.
    """
    times = [] if at is None else [at]
    if state.attentive and not policy.observe:
        if not evidence.calls:
            watched = state.warned or state.under_way
            times.append(state.now + (GRACE_LOOK_SECONDS if watched else POWERSAVE_LOOK_SECONDS))
    elif evidence.held:
        return None
    elif evidence.counts:
        period = _period(state, policy)
        wait = max(period / policy.looks_per_period, min(evidence.serves, period), SHORTEST_LOOK_SECONDS)
        times.append(state.now + wait)
    elif policy.observe and at is None:
        times.append(state.now + _period(state, policy))
    if times and state.fresh <= state.asked_all < state.now:  # at the last look not all were asked
        times.append(max(_all_by(state, policy), state.now + SHORTEST_LOOK_SECONDS))
    times += _changes(state, policy)
    return min(times) if times else None


def alone(
    state: State, policy: Policy, readings: tuple[Reading, ...], now: float, told: Mapping[str, float] | None = None
) -> frozenset[str]:
    """Return the names of those who alone are asked at a planned look; empty: all are.

    Between deadlines it is only for monitors that count; the others keep time or call, whatever is asked of their
    neighbours. At a deadline that moves anyway it is for those who say so as well. All are asked where anything may be
    due, and at least once a period or shortly after it. ``told``: the activity of which monitors know without a look.
    """
    if state.ask is not Ask.NO or state.phase not in (Phase.AWAKE, Phase.OBSERVING) or policy.never:
        return frozenset()
    if (state.attentive and not policy.observe) or policy.facts or policy.timed:
        return frozenset()
    asked, period = state.asked_all, _period(state, policy)
    if not state.fresh <= asked <= state.now <= now:
        return frozenset()
    names, some = frozenset(reading.name for reading in readings), restless(readings)
    at, following = due(state, policy), next_step(state, policy)
    if at is not None and following is not None:
        grace = 0.0 if policy.observe else following.grace_seconds
        if now >= at - grace:
            newer = {name: when for name, when in (told or {}).items() if state.last_active < when <= now}
            moved = max(newer.values(), default=NEVER) + following.after_seconds - grace
            if not now < moved <= _all_by(state, policy):
                return frozenset()
            some |= newer.keys()
            return some if some < names else frozenset()
    if now >= asked + period:
        return frozenset()
    return some if some < names else frozenset()


def _all_by(state: State, policy: Policy) -> float:
    """Return when all are asked again at the latest."""
    return state.asked_all + _period(state, policy) * (1 + 1 / policy.looks_per_period)


def _period(state: State, policy: Policy) -> float:
    step = next_step(state, policy) or next(iter(untaken(state, policy)), policy.steps[-1])
    return step.after_seconds


def _changes(state: State, policy: Policy) -> Iterator[float]:
    """When the conditions of a step in effect may hold no longer, or those of one passed over may come to hold."""
    for taken in state.taken:
        if (seconds := _change(state, taken.step.conditions)) is not None:
            yield state.now + seconds
    for step in untaken(state, policy):
        seconds = None if step.conditions.holds(state.around) else _change(state, step.conditions)
        if seconds is not None:
            yield max(state.now + seconds, state.idle_since + step.after_seconds)


def _change(state: State, conditions: Conditions) -> float | None:
    """Return the seconds until it must be looked at whether conditions hold; None: somebody calls, or they stay."""
    waits = []
    clock = conditions.next_change(state.around)
    if clock is not None:
        waits.append(max(next_look(clock), SHORTEST_LOOK_SECONDS))
    elif conditions.timed and state.around.second_of_day is None:
        waits.append(SURROUNDINGS_LOOK_SECONDS)
    if conditions.facts and not state.around.calls:
        waits.append(SURROUNDINGS_LOOK_SECONDS)
    elif "battery" in conditions.facts:
        waits.append(BATTERY_LOOK_SECONDS)
    return min(waits, default=None)
