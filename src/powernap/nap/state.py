# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the engine stands, and what follows from it. Pure. Times are seconds of CLOCK_BOOTTIME."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from powernap.nap.policy import Policy, Step

NEVER = float("-inf")


class Phase(Enum):
    """What people are told that the machine does."""

    AWAKE = "awake"
    WARNED = "warned"
    POWERSAVE = "powersave"
    SUSPENDING = "suspending"
    ASLEEP = "asleep"
    RESUMING = "resuming"
    HELD = "held"
    BACKOFF = "backoff"
    OBSERVING = "observing"


class Ask(Enum):
    """How far a sleep has come: asked for acknowledgement, acknowledged, under way."""

    NO = "no"
    ASKED = "asked"
    ACKNOWLEDGED = "acknowledged"
    ACTING = "acting"


@dataclass(frozen=True)
class State:
    """Everything that the engine remembers.

    ``now``: the newest time seen. ``fresh``: idle time counts from here at the earliest (start, resume, order).
    ``last_active``: the newest activity of any monitor, and ``cause``: whose. ``depth``: steps in effect, and
    ``entered``: since when; only activity after ``settled`` takes them back.
    ``quiet_since``: the idle time on which a warning or sleep under way rests; ``nap_at``: when the warned step is due.
    ``reason``: why it is held, backs off, or naps.
    """

    now: float
    fresh: float
    last_active: float
    since: float
    phase: Phase = Phase.AWAKE
    cause: str = "start"
    depth: int = 0
    entered: float = 0.0
    settled: float = 0.0
    warned: bool = False
    nap_at: float = 0.0
    quiet_since: float = 0.0
    ask: Ask = Ask.NO
    attempt: int = 0
    ordered: bool = False
    not_before: float = NEVER
    retry_at: float = NEVER
    backoff: float = 0.0
    look_at: float | None = None
    reason: str = ""

    @property
    def attentive(self) -> bool:
        """True while activity must be noticed at once: people were warned, or something is to be taken back."""
        return self.warned or self.depth > 0 or self.ask in (Ask.ASKED, Ask.ACKNOWLEDGED)

    @property
    def idle_since(self) -> float:
        """The beginning of the present idle period."""
        return max(self.last_active, self.fresh)


def begin(now: float) -> State:
    """Return the state at start: awake, with a fresh idle period."""
    return State(now=now, fresh=now, last_active=now, since=now, look_at=now)


def next_step(state: State, policy: Policy) -> Step | None:
    """Return the step that is to follow, or None when the last is in effect."""
    return policy.steps[state.depth] if state.depth < len(policy.steps) else None


def due(state: State, policy: Policy) -> float | None:
    """Return the earliest moment of the next step if nothing happens any more; None: there is none."""
    step = next_step(state, policy)
    if step is None or policy.never:
        return None
    base = max(state.idle_since, state.entered) if state.depth else state.idle_since
    return max(base + step.after_seconds, state.not_before, state.retry_at, state.nap_at if state.warned else NEVER)


def wants_holds(state: State, policy: Policy, now: float) -> bool:
    """Tell whether a look at that time must also bring who forbids a sleep: only when a sleep is near."""
    step = next_step(state, policy)
    at = due(state, policy)
    if step is None or at is None or not step.sleeps:
        return False
    return state.warned or state.ask is not Ask.NO or state.phase is Phase.HELD or now >= at - step.grace_seconds
