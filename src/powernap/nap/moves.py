# SPDX-License-Identifier: GPL-3.0-or-later
"""The moves that the engine makes of a state: warn, ask, take a step, take it back. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from powernap.nap.events import (
    Act,
    Announce,
    Answer,
    CancelWarning,
    Effect,
    LookAt,
    Record,
    Register,
    Rehearse,
    Undo,
    Warn,
)
from powernap.nap.evidence import Evidence
from powernap.nap.planning import look_at
from powernap.nap.policy import Policy, Step
from powernap.nap.state import Ask, Phase, State, Taken, due, passed_over

#: An answer older than this is worth nothing, and is waited for no longer.
ANSWER_SECONDS = 60.0
#: What happens this soon after an order still belongs to it: the terminal's own traffic; tty times are 8 s coarse.
SETTLE_SECONDS = 10.0
#: While the machine is on its way to sleep: when to ask whether it got there.
SLEEP_CHECK_SECONDS = 60.0
#: A deadline that moved by less is not worth a record.
MOVE_SECONDS = 0.5


class Moves:
    """The state in the making, the effects so far, and why."""

    def __init__(self, state: State, now: float, policy: Policy) -> None:
        self.before = state
        self.state = replace(state, now=now)
        self.now = now
        self.policy = policy
        self.effects: list[Effect] = []
        self.causes: list[str] = []

    def set(self, **changes: Any) -> None:
        self.state = replace(self.state, **changes)

    def finish(self) -> tuple[State, tuple[Effect, ...]]:
        """Every change of phase and every move of the deadline is recorded, with its cause."""
        if self.state.phase is not self.before.phase:
            self.set(since=self.now)
        self.effects.append(LookAt(self.state.look_at))
        deadline = due(self.state, self.policy)
        if self.causes or self.state.phase is not self.before.phase or _moved(self.state.told, deadline):
            self.set(told=deadline)
            self.effects.append(Record("; ".join(self.causes) or self.state.reason or self._conditions()))
        return self.state, tuple(self.effects)

    def _conditions(self) -> str:
        conditional = self.policy.facts or self.policy.timed
        if not conditional or self.state.around == self.before.around:
            return self.state.cause
        over = [f"{step.title} is passed over: {why}" for step, why in passed_over(self.state, self.policy)]
        return "; ".join(over) or "all conditions hold"

    # --- towards a nap

    def warn(self, following: Step, nap_at: float) -> None:
        self.set(warned=True, nap_at=nap_at, phase=Phase.WARNED, reason="")
        self.set(aim=following, quiet_since=self.state.idle_since)
        reason = f"idle for {self.now - self.state.idle_since:.0f} s"
        self.effects.append(Warn(nap_at - self.now, following.title, reason))
        self.causes.append(f"{following.title} in {nap_at - self.now:.0f} s, {reason}")

    def rehearse(self, following: Step) -> None:
        """The last preparation was refused: find out whether it goes by now, before people are warned once more."""
        self._ask(following, Ask.REHEARSING)
        self.effects.append(Rehearse(following.action, self.state.attempt))

    def nap(self, following: Step) -> None:
        """Take the next step, or begin to."""
        idle = f"idle for {self.now - self.state.idle_since:.0f} s"
        if self.policy.observe:
            self.causes.append(f"it would {following.title} now, {idle}")
            self._take(following, self.state.idle_since)
            self.rest(Phase.OBSERVING, self.now)
        elif following.sleeps:
            self.causes.append(idle)
            self._ask(following, Ask.ASKED)
            self.set(phase=Phase.SUSPENDING, reason="")
            self.effects.append(Register(following.action, self.state.attempt))
        else:
            self.causes.append(f"{following.title}, {idle}")
            self._take(following, self.now + SETTLE_SECONDS if self.state.ordered else self.state.idle_since)
            self.effects.append(Act(following, self.state.attempt))
            self.answer(True, following.title)
            self.set(ordered=False, warned=False)
            self.rest(Phase.POWERSAVE, self.now)

    def act(self) -> None:
        """Everything is acknowledged, and nothing has stirred: sleep."""
        assert self.state.aim is not None
        self.effects.append(Act(self.state.aim, self.state.attempt))
        self.answer(True, self.state.aim.title)
        self.causes.append(f"acknowledged, {self.state.aim.title} begins")
        self.set(ask=Ask.ACTING, warned=False, ordered=False, look_at=self.now + SLEEP_CHECK_SECONDS)

    def _ask(self, following: Step, ask: Ask) -> None:
        self.set(
            ask=ask,
            attempt=self.state.attempt + 1,
            aim=following,
            asked_at=self.now,
            quiet_since=self.state.idle_since,
            look_at=self.now + 1.0,
        )

    def _take(self, following: Step, settled: float) -> None:
        attempt = self.state.attempt + 1
        self.set(taken=(*self.state.taken, Taken(following, attempt, self.now)), attempt=attempt, settled=settled)

    # --- and back

    def cancel(self, reason: str) -> None:
        """Call off a warning or a sleep that is not yet under way."""
        if self.state.warned:
            self.effects.append(CancelWarning(reason))
        if self.state.under_way:
            self.effects.append(Announce("cancelled"))
        if self.state.ask is not Ask.ACTING:
            self.set(ask=Ask.NO)
        self.answer(False, reason)
        self.set(warned=False, ordered=False)

    def take_back(self, reason: str) -> None:
        """Cancel, and undo every step in effect, the last first."""
        self.cancel(reason)
        for taken in reversed(self.state.taken):
            self.undo(taken)

    def undo(self, taken: Taken) -> None:
        """Undo one step that is in effect."""
        if not taken.step.sleeps and not self.policy.observe:
            self.effects.append(Undo(taken.step))
        self.set(taken=tuple(other for other in self.state.taken if other is not taken))

    def back_off(self, reason: str, troubled: Step | None) -> None:
        self.cancel(reason)
        wait = min(max(self.policy.backoff_seconds, 2 * self.state.backoff), self.policy.backoff_max_seconds)
        self.set(backoff=wait, retry_at=self.now + wait, troubled=troubled)
        self.causes.append(f"staying awake, next try in {wait:.0f} s at the earliest: {reason}")
        self.rest(self.resting(), self.now, reason)

    def answer(self, ok: bool, sentence: str) -> None:
        if self.state.ordered:
            self.effects.append(Answer(ok, sentence))

    # --- rest

    def rest(self, phase: Phase, look_at: float | None, reason: str | None = None) -> None:
        if reason is None:
            reason = self.state.reason if phase is Phase.BACKOFF else ""
        self.set(phase=phase, look_at=look_at, reason=reason)

    def resting(self) -> Phase:
        """Return the phase while nothing is under way."""
        if self.state.taken:
            return Phase.OBSERVING if self.policy.observe else Phase.POWERSAVE
        if self.now < self.state.retry_at:
            return Phase.BACKOFF
        if self.before.phase is Phase.RESUMING and self.now < self.state.not_before:
            return Phase.RESUMING
        return Phase.AWAKE

    def soon(self, at: float | None, evidence: Evidence) -> float | None:
        when = look_at(self.state, self.policy, evidence, at)
        if self.resting() is Phase.RESUMING:  # which ends then, whatever is seen
            return self.state.not_before if when is None else min(when, self.state.not_before)
        return when


def _moved(told: float | None, deadline: float | None) -> bool:
    if told is None or deadline is None:
        return told is not deadline
    return abs(told - deadline) > MOVE_SECONDS
