# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine: ``step(state, event, now, policy) -> (state, effects)``.

Pure: clock and evidence are arguments, effects are data. The rule above all others: in doubt the machine stays awake.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from powernap.nap.events import (
    Acknowledged,
    Act,
    ActionDone,
    ActionFailed,
    Announce,
    Answer,
    CancelWarning,
    Effect,
    Event,
    GoingToSleep,
    Look,
    LookAt,
    NapNow,
    Record,
    Recover,
    Refused,
    Register,
    Resumed,
    Undo,
    Warn,
)
from powernap.nap.evidence import Evidence, weigh
from powernap.nap.policy import Policy, Step
from powernap.nap.state import NEVER, Ask, Phase, State, due, next_step

#: Longest time between looks while people are warned, and while something is to be taken back (unless monitors call).
GRACE_LOOK_SECONDS = 1.0
POWERSAVE_LOOK_SECONDS = 2.0
#: Shortest time between looks at monitors that only count.
SHORTEST_LOOK_SECONDS = 0.1
#: A look this much later than planned means that the machine did not run: the idle period starts again.
JUMP_SECONDS = 30.0
#: An acknowledgement older than this is worth nothing.
ANSWER_SECONDS = 60.0
#: What happens this soon after an order still belongs to it: the terminal's own traffic; tty times are 8 s coarse.
SETTLE_SECONDS = 10.0
#: While the machine is on its way to sleep: when to ask whether it got there.
SLEEP_CHECK_SECONDS = 60.0
NO_MONITOR = "no monitor is enabled, so nobody can tell whether the machine is idle"


def step(state: State, event: Event, now: float, policy: Policy) -> tuple[State, tuple[Effect, ...]]:
    """Return what becomes of the state, and what is to be done about it, in that order."""
    turn = _Turn(state, now, policy)
    turn.check_clock(event)
    if isinstance(event, Look):
        turn.look(event)
    elif isinstance(event, NapNow):
        turn.nap_now(event)
    elif isinstance(event, Recover):
        turn.recover(event.cause)
    elif isinstance(event, Acknowledged):
        turn.acknowledged(event)
    elif isinstance(event, Refused):
        turn.refused(event)
    elif isinstance(event, ActionDone):
        turn.action_done(event)
    elif isinstance(event, ActionFailed):
        turn.action_failed(event)
    elif isinstance(event, GoingToSleep):
        turn.going_to_sleep()
    else:
        turn.resumed(event)
    return turn.finish()


class _Turn:
    """One call of ``step``: the state in the making, the effects so far, and why."""

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
        if self.state.phase is not self.before.phase:
            self.set(since=self.now)
        self.effects.append(LookAt(self.state.look_at))
        if self.causes or self.state.phase is not self.before.phase:
            self.effects.append(Record("; ".join(self.causes) or self.state.reason or self.state.cause))
        return self.state, tuple(self.effects)

    # --- events

    def check_clock(self, event: Event) -> None:
        """After a step of the clock in either direction nothing that was known about idleness holds."""
        state = self.before
        if state.ask is Ask.ACTING:
            return
        late = isinstance(event, Look) and state.look_at is not None and self.now - state.look_at > JUMP_SECONDS
        if self.now >= state.now and not late:
            return
        self.cancel("the clock jumped" if self.now < state.now else "the machine did not run for a while")
        limit = max(self.policy.min_awake_seconds, self.policy.backoff_max_seconds)
        self.set(
            fresh=self.now,
            last_active=min(state.last_active, self.now),
            entered=min(state.entered, self.now),
            settled=min(state.settled, self.now),
            since=min(state.since, self.now),
            not_before=min(state.not_before, self.now + limit),
            retry_at=min(state.retry_at, self.now + limit),
            look_at=self.now,
        )
        self.causes.append("the clock jumped: a fresh idle period")

    def look(self, event: Look) -> None:
        evidence = weigh(event.readings, self.now)
        if self.state.ask is Ask.ACTING:
            self.set(look_at=self.now + SLEEP_CHECK_SECONDS)
            return
        if evidence.last is not None and evidence.last > self.state.last_active:
            if evidence.last > self.state.last_active + 0.5:
                self.causes.append(evidence.cause)
            self.set(last_active=evidence.last, cause=evidence.cause)
        if self.policy.never:
            self.take_back(self.policy.never)
            self.rest(Phase.HELD, None, self.policy.never)
            return
        if evidence.empty and self.state.ask is Ask.NO:
            self.cancel(NO_MONITOR)
            self.rest(Phase.POWERSAVE if self.state.depth else Phase.HELD, None, NO_MONITOR)
            return
        self.weigh_activity(evidence)
        if self.state.ask is Ask.ACKNOWLEDGED and self.last_look(event):
            return
        self.plan(evidence, event.held)

    def weigh_activity(self, evidence: Evidence) -> None:
        """Cancel or take back what the newest activity forbids."""
        state = self.state
        if state.ordered and state.ask is not Ask.NO:
            return
        if state.depth and state.last_active > state.settled:
            self.take_back(evidence.cause)
            self.causes = [f"no longer idle: {evidence.cause}"]
        elif (state.warned or state.ask is not Ask.NO) and state.idle_since > state.quiet_since:
            self.cancel(evidence.cause)
            self.causes = [f"not napping: {evidence.cause}"]

    def last_look(self, event: Look) -> bool:
        """The wake server has acknowledged, and this look found no activity: sleep, unless somebody forbids it."""
        if event.held:
            self.cancel(event.held[0])
            return False
        self.act()
        return True

    def plan(self, evidence: Evidence, held: tuple[str, ...]) -> None:
        """Decide what is due, else when to look again."""
        state, following = self.state, next_step(self.state, self.policy)
        at = due(state, self.policy)
        if following is None or at is None:
            self.rest(self.resting(), self.soon(None, evidence))
        elif state.ask is Ask.ASKED:
            self.set(look_at=self.soon(None, evidence) or self.now + GRACE_LOOK_SECONDS)
        elif self.now < (warn_at := max(at - self.grace(following), state.retry_at)) and not state.warned:
            self.rest(self.resting(), self.soon(warn_at, evidence))
        elif following.sleeps and held and not self.policy.observe:
            self.cancel(held[0])
            again = self.now + min(self.policy.backoff_seconds, following.after_seconds)
            self.rest(Phase.HELD, self.soon(again, evidence), "; ".join(held))
        elif not state.warned and self.grace(following) > 0:
            self.warn(following, max(at, self.now + self.grace(following)))
            self.set(look_at=self.soon(self.state.nap_at, evidence))
        elif self.now < state.nap_at and state.warned:
            self.set(look_at=self.soon(state.nap_at, evidence))
        else:
            self.nap(following)

    def nap_now(self, event: NapNow) -> None:
        following = next_step(self.state, self.policy)
        refusal = self.policy.never or "; ".join(event.held if following is not None and following.sleeps else ())
        if self.policy.observe:
            refusal = 'nap.mode is "observe": nothing is done'
        if self.state.ask is not Ask.NO:
            refusal = "a nap is already under way"
        elif following is None:
            refusal = f"already in {self.policy.steps[-1].action}, and no further stage is configured"
        if refusal or following is None:
            self.effects.append(Answer(False, refusal))
            self.causes.append(f"ordered to nap, refused: {refusal}")
            return
        self.causes.append("ordered to nap")
        self.set(ordered=True)
        self.nap(following)

    def recover(self, cause: str) -> None:
        if self.state.ask is Ask.ACTING:
            self.causes.append("ordered to recover, but the machine is already on its way to sleep")
            return
        self.take_back(cause)
        self.set(fresh=self.now, cause=cause)
        self.causes.append(cause)
        self.rest(self.resting(), self.now)

    def acknowledged(self, event: Acknowledged) -> None:
        if event.attempt != self.state.attempt or self.state.ask is not Ask.ASKED:
            return
        if self.now - self.state.since > ANSWER_SECONDS:
            self.back_off("the acknowledgement came too late")
            return
        self.set(ask=Ask.ACKNOWLEDGED, look_at=self.now)

    def refused(self, event: Refused) -> None:
        if event.attempt == self.state.attempt and self.state.ask in (Ask.ASKED, Ask.ACKNOWLEDGED):
            self.back_off(event.reason)

    def action_done(self, event: ActionDone) -> None:
        if event.attempt == self.state.attempt and not any(taken.sleeps for taken in self.policy.steps):
            self.set(backoff=0.0)

    def action_failed(self, event: ActionFailed) -> None:
        if event.attempt != self.state.attempt:
            return
        if self.state.ask is Ask.ACTING:
            self.effects.append(Announce("failed"))
            self.set(ask=Ask.NO)
        elif self.state.depth:
            self.take_back(event.reason)
        self.back_off(event.reason)

    def going_to_sleep(self) -> None:
        if self.state.ask is not Ask.ACTING:
            self.causes.append("somebody else puts the machine to sleep")
            if self.state.warned:
                self.effects.append(CancelWarning("the machine is put to sleep now"))
            self.set(warned=False, ordered=False, ask=Ask.ACTING)
        else:
            self.causes.append("as decided")
        self.set(phase=Phase.ASLEEP, look_at=self.now + SLEEP_CHECK_SECONDS)

    def resumed(self, event: Resumed) -> None:
        if self.before.phase is Phase.RESUMING and self.now - self.before.since < SETTLE_SECONDS:
            return  # told twice: by logind's signal and by the clocks
        self.cancel("the machine slept")
        self.take_back("the machine woke up")
        self.effects.append(Announce("resume", event.slept_seconds))
        self.causes.append(f"slept {event.slept_seconds:.1f} s ({event.cause})")
        self.set(
            ask=Ask.NO,
            fresh=self.now,
            cause=f"woken ({event.cause})",
            not_before=self.now + self.policy.min_awake_seconds,
            retry_at=NEVER,
            backoff=0.0,
        )
        self.rest(Phase.RESUMING, self.now)

    # --- moves

    def warn(self, following: Step, nap_at: float) -> None:
        self.set(warned=True, nap_at=nap_at, quiet_since=self.state.idle_since, phase=Phase.WARNED, reason="")
        reason = f"idle for {self.now - self.state.idle_since:.0f} s"
        self.effects.append(Warn(nap_at - self.now, following.action, reason))
        self.causes.append(f"{following.action} in {nap_at - self.now:.0f} s, {reason}")

    def nap(self, following: Step) -> None:
        """Take the next step, or begin to."""
        idle = f"idle for {self.now - self.state.idle_since:.0f} s"
        if self.policy.observe:
            self.causes.append(f"it would {following.action} now, {idle}")
            self.set(depth=self.state.depth + 1, entered=self.now, settled=self.state.idle_since)
            self.rest(Phase.OBSERVING, self.now)
        elif following.sleeps:
            self.causes.append(idle)
            self.set(
                ask=Ask.ASKED,
                attempt=self.state.attempt + 1,
                phase=Phase.SUSPENDING,
                quiet_since=self.state.idle_since,
                reason="",
                look_at=self.now + GRACE_LOOK_SECONDS,
            )
            self.effects.append(Register(following.action, self.state.attempt))
        else:
            self.causes.append(idle)
            settled = self.now + SETTLE_SECONDS if self.state.ordered else self.state.idle_since
            self.set(depth=self.state.depth + 1, entered=self.now, settled=settled, attempt=self.state.attempt + 1)
            self.effects.append(Act(following.action, self.state.attempt))
            self.answer(True, following.action)
            self.set(ordered=False, warned=False)
            self.rest(Phase.POWERSAVE, self.now)

    def act(self) -> None:
        following = next_step(self.state, self.policy)
        assert following is not None
        self.effects.append(Act(following.action, self.state.attempt))
        self.answer(True, following.action)
        self.causes.append(f"acknowledged, {following.action} begins")
        self.set(ask=Ask.ACTING, warned=False, ordered=False, look_at=self.now + SLEEP_CHECK_SECONDS)

    def cancel(self, reason: str) -> None:
        """Call off a warning or a sleep that is not yet under way."""
        if self.state.warned:
            self.effects.append(CancelWarning(reason))
        if self.state.ask in (Ask.ASKED, Ask.ACKNOWLEDGED):
            self.effects.append(Announce("cancelled"))
            self.set(ask=Ask.NO)
        self.answer(False, reason)
        self.set(warned=False, ordered=False)

    def take_back(self, reason: str) -> None:
        """Cancel, and undo every step in effect, the last first."""
        self.cancel(reason)
        for taken in reversed(self.policy.steps[: self.state.depth]):
            if not taken.sleeps and not self.policy.observe:
                self.effects.append(Undo(taken.action))
        self.set(depth=0)

    def back_off(self, reason: str) -> None:
        self.cancel(reason)
        wait = min(max(self.policy.backoff_seconds, 2 * self.state.backoff), self.policy.backoff_max_seconds)
        self.set(backoff=wait, retry_at=self.now + wait)
        self.causes.append(f"staying awake, next try in {wait:.0f} s at the earliest: {reason}")
        self.rest(self.resting(), self.now, reason)

    def answer(self, ok: bool, sentence: str) -> None:
        if self.state.ordered:
            self.effects.append(Answer(ok, sentence))

    def rest(self, phase: Phase, look_at: float | None, reason: str | None = None) -> None:
        if reason is None:
            reason = self.state.reason if phase is Phase.BACKOFF else ""
        self.set(phase=phase, look_at=look_at, reason=reason)

    # --- what follows from the state

    def resting(self) -> Phase:
        """Return the phase while nothing is under way."""
        if self.state.depth:
            return Phase.OBSERVING if self.policy.observe else Phase.POWERSAVE
        if self.now < self.state.retry_at:
            return Phase.BACKOFF
        if self.before.phase is Phase.RESUMING and self.now < self.state.not_before:
            return Phase.RESUMING
        return Phase.AWAKE

    def grace(self, following: Step) -> float:
        return 0.0 if self.policy.observe else following.grace_seconds

    def soon(self, at: float | None, evidence: Evidence) -> float | None:
        """Return when to look again: at that time, or sooner where a monitor cannot call or cannot tell when."""
        times = [] if at is None else [at]
        following = next_step(self.state, self.policy) or self.policy.steps[-1]
        if self.state.attentive and not self.policy.observe:
            if not evidence.calls:
                watched = self.state.warned or self.state.ask is not Ask.NO
                times.append(self.now + (GRACE_LOOK_SECONDS if watched else POWERSAVE_LOOK_SECONDS))
        elif evidence.held:
            return None  # active until the monitor calls
        elif evidence.counts:
            part = following.after_seconds / self.policy.looks_per_period
            times.append(self.now + max(part, SHORTEST_LOOK_SECONDS))
        elif self.policy.observe and at is None:
            times.append(self.now + following.after_seconds)
        return min(times) if times else None
