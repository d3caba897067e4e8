# SPDX-License-Identifier: GPL-3.0-or-later
"""What an order means for one machine as it is now. Pure."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from powernap.wake.model import State
from powernap.wake.presence import Condition


class Step(str, Enum):
    """What is to be done."""

    SEND = "send"
    WAKE = "wake"
    WAKE_THEN_SEND = "wake, then send"
    NOTHING = "nothing"
    NOT_DELIVERED = "not delivered"


_ASLEEP_STILL = "is asleep, and the order may not wake it"


class Plan(NamedTuple):
    step: Step
    why: str = ""


#: The wake server follows what it does, or takes it to sleep.
_ASLEEP = frozenset((State.REGISTERED, State.ARMING, State.PROXIED, State.UNREACHABLE, State.EXPIRED, State.WAKING))


def plan(verb: str, state: State, condition: Condition, linked: bool, wake: bool) -> Plan:
    """`state`: the wake server's own; `wake`: a machine that sleeps may be woken for it."""
    if verb == "wake":
        if state is State.AWAKE and linked:
            return Plan(Step.NOTHING, "is awake")
        return Plan(Step.WAKE)
    if linked and state in (State.AWAKE, State.RESTORING):
        return Plan(Step.SEND)
    if state in _ASLEEP:
        if verb == "nap" and condition in (Condition.NAPPING, Condition.OFF):
            return Plan(Step.NOTHING, f"is {condition.value}")
        return Plan(Step.WAKE_THEN_SEND) if wake else Plan(Step.NOT_DELIVERED, _ASLEEP_STILL)
    if condition in (Condition.UNREACHABLE, Condition.OFF, Condition.WAKING, Condition.UNKNOWN) and wake:
        return Plan(Step.WAKE_THEN_SEND)
    return Plan(Step.NOT_DELIVERED, f"is {condition.value}, without an open link")
