# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the engine stands, and what follows from it. Pure. Times are seconds of CLOCK_BOOTTIME."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from powernap.nap.conditions import Surroundings
from powernap.nap.policy import Policy, Step

NEVER = float("-inf")


class Phase(Enum):
    """What people are told that the machine does. POWERSAVE: any step that lets it run on is in effect."""

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
    """How far a sleep has come.

    Rehearsing: after a refusal, whether it would be acknowledged now, before people are warned again. Then: asked for
    acknowledgement, acknowledged, under way.
    """

    NO = "no"
    REHEARSING = "rehearsing"
    ASKED = "asked"
    ACKNOWLEDGED = "acknowledged"
    ACTING = "acting"


@dataclass(frozen=True)
class Taken:
    """A step in effect: since when, and the number of the attempt that took it."""

    step: Step
    attempt: int
    at: float


@dataclass(frozen=True)
class State:
    """Everything that the engine remembers.

    ``now``: the newest time seen. ``fresh``: idle time counts from here at the earliest (start, resume, order).
    ``last_active``: the newest activity of any monitor, and ``cause``: whose. ``around``: the newest surroundings.
    ``active``: the names of the monitors that were active at the last look, and ``looked``: when that was;
    ``asked_all``: when all were last asked.
    ``taken``: the steps in effect, in the order in which they were taken; activity after ``settled`` undoes them.
    ``aim``: the step that people were warned of, or that a sleep under way is; ``quiet_since``: the idle time on which
    that rests; ``nap_at``: when the warned step is due; ``asked_at``: when an answer was last asked for.
    ``doubt``: the last preparation was refused, so nobody is warned before one has succeeded.
    ``retry_at``: after a failure of ``troubled``, when that step and those behind it may be tried again.
    ``told``: the deadline of the last record. ``reason``: why it is held, backs off, or naps.
    """

    now: float
    fresh: float
    last_active: float
    since: float
    phase: Phase = Phase.AWAKE
    cause: str = "start"
    active: frozenset[str] = frozenset()
    looked: float = NEVER
    asked_all: float = NEVER
    around: Surroundings = field(default_factory=Surroundings)
    taken: tuple[Taken, ...] = ()
    settled: float = 0.0
    aim: Step | None = None
    warned: bool = False
    nap_at: float = 0.0
    quiet_since: float = 0.0
    ask: Ask = Ask.NO
    asked_at: float = 0.0
    attempt: int = 0
    ordered: bool = False
    doubt: bool = False
    not_before: float = NEVER
    retry_at: float = NEVER
    troubled: Step | None = None
    backoff: float = 0.0
    look_at: float | None = None
    told: float | None = None
    reason: str = ""

    @property
    def depth(self) -> int:
        """The number of steps in effect."""
        return len(self.taken)

    @property
    def entered(self) -> float:
        """When the last step was taken; 0.0: none is in effect."""
        return self.taken[-1].at if self.taken else 0.0

    @property
    def under_way(self) -> bool:
        """True from the request for an acknowledgement until the sleep begins."""
        return self.ask in (Ask.ASKED, Ask.ACKNOWLEDGED)

    @property
    def attentive(self) -> bool:
        """True while activity must be noticed at once: people were warned, or something is to be taken back."""
        return self.warned or bool(self.taken) or self.under_way

    @property
    def idle_since(self) -> float:
        """The beginning of the present idle period."""
        return max(self.last_active, self.fresh)


def begin(now: float) -> State:
    """Return the state at start: awake, with a fresh idle period."""
    return State(now=now, fresh=now, last_active=now, since=now, look_at=now)


def untaken(state: State, policy: Policy) -> tuple[Step, ...]:
    """Return the steps that could still be taken, whatever their conditions; one action is in effect but once."""
    done = {(taken.step.action, taken.step.command) for taken in state.taken}
    if any(taken.step.sleeps for taken in state.taken):
        return ()  # only while observing: a machine that sleeps takes no further step
    return tuple(step for step in policy.steps if (step.action, step.command) not in done)


def next_step(state: State, policy: Policy) -> Step | None:
    """Return the step that is to follow: the first whose conditions hold. None: there is none now."""
    return next((step for step in untaken(state, policy) if step.conditions.holds(state.around)), None)


def passed_over(state: State, policy: Policy) -> tuple[tuple[Step, str], ...]:
    """Return the steps whose conditions do not hold, each with what does not, in words."""
    unmet = ((step, step.conditions.unmet(state.around)) for step in untaken(state, policy))
    return tuple((step, "; ".join(sentences)) for step, sentences in unmet if sentences)


def order_refused(state: State, policy: Policy, held: tuple[str, ...]) -> str:
    """Return why an order to nap is refused, or ""; ``held``: who forbids the sleep that it would bring."""
    if policy.observe:
        return 'nap.mode is "observe": nothing is done'
    if state.ask not in (Ask.NO, Ask.REHEARSING):
        return "a nap is already under way"
    following = next_step(state, policy)
    if following is not None:
        return policy.never or ("; ".join(held) if following.sleeps else "")
    if untaken(state, policy):
        return "; ".join(f"no {over.title}: {why}" for over, why in passed_over(state, policy))
    return f"already in {policy.steps[-1].title}, and no further stage is configured"


def due(state: State, policy: Policy) -> float | None:
    """Return the earliest moment of the next step if nothing happens any more; None: there is none."""
    step = next_step(state, policy)
    if step is None or policy.never:
        return None
    warned = state.nap_at if state.warned and state.aim == step else NEVER
    return max(state.idle_since + step.after_seconds, state.not_before, retry(state, policy, step), warned)


def retry(state: State, policy: Policy, step: Step) -> float:
    """Return when a step may be tried at the earliest, after the last failure."""
    troubled = state.troubled
    if troubled in policy.steps and step in policy.steps and policy.steps.index(step) < policy.steps.index(troubled):
        return NEVER
    return state.retry_at


def wants_holds(state: State, policy: Policy, now: float) -> bool:
    """Tell whether a look at that time must also bring who forbids a sleep: only when a sleep is near."""
    step = next_step(state, policy)
    at = due(state, policy)
    if step is None or at is None or not step.sleeps:
        return False
    return state.warned or state.ask is not Ask.NO or state.phase is Phase.HELD or now >= at - step.grace_seconds
