# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine: ``step(state, event, now, policy) -> (state, effects)``.

Pure: clock and evidence are arguments, effects are data. The rule above all others: in doubt the machine stays awake.
"""

from __future__ import annotations

from powernap.nap.events import (
    Acknowledged,
    ActionDone,
    ActionFailed,
    Announce,
    Answer,
    CancelWarning,
    Effect,
    Event,
    GoingToSleep,
    Look,
    NapNow,
    Recover,
    Refused,
    Resumed,
)
from powernap.nap.evidence import Evidence, active, weigh
from powernap.nap.moves import ANSWER_SECONDS, SETTLE_SECONDS, SLEEP_CHECK_SECONDS, Moves
from powernap.nap.policy import Policy
from powernap.nap.state import NEVER, Ask, Phase, State, due, next_step, order_refused, passed_over, retry

#: A look this much later than planned means that the machine did not run: the idle period starts again.
JUMP_SECONDS = 30.0
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


class _Turn(Moves):
    """One call of ``step``: one method for each event."""

    def check_clock(self, event: Event) -> None:
        """After a step of the clock in either direction nothing that was known about idleness holds."""
        state = self.before
        if state.ask is Ask.ACTING:
            if state.look_at is not None and self.now - state.look_at > JUMP_SECONDS:
                self.set(fresh=self.now)  # it slept, even if what follows says that the sleep failed
            return
        began = self.now
        if isinstance(event, Look) and event.began is not None:
            began = event.began
        late = isinstance(event, Look) and state.look_at is not None and began - state.look_at > JUMP_SECONDS
        if self.now >= state.now and not late:
            return
        self.cancel("the clock jumped" if self.now < state.now else "the machine did not run for a while")
        limit = max(self.policy.min_awake_seconds, self.policy.backoff_max_seconds)
        self.set(
            fresh=self.now,
            last_active=min(state.last_active, self.now),
            settled=min(state.settled, self.now),
            since=min(state.since, self.now),
            not_before=min(state.not_before, self.now + limit),
            retry_at=min(state.retry_at, self.now + limit),
            look_at=self.now,
        )
        self.causes.append("the clock jumped: a fresh idle period")

    def look(self, event: Look) -> None:
        evidence = weigh(event.readings, self.now, self.state.active, self.state.looked)
        self.set(active=active(event.readings), looked=self.now)
        if not event.partial:
            self.set(asked_all=self.now)
        if event.around is not None:
            self.set(around=event.around)
        if self.state.ask is Ask.ACTING:
            self.set(look_at=self.now + SLEEP_CHECK_SECONDS)
            return
        if evidence.last is not None and evidence.last > self.state.last_active:
            self.set(last_active=evidence.last, cause=evidence.cause)
        if self.policy.never:
            self.take_back(self.policy.never)
            self.rest(Phase.HELD, None, self.policy.never)
            return
        if evidence.empty and self.state.ask is Ask.NO:
            self.cancel(NO_MONITOR)
            self.rest(Phase.POWERSAVE if self.state.taken else Phase.HELD, None, NO_MONITOR)
            return
        self.weigh_activity(evidence)
        self.weigh_conditions()
        if self.state.ask is Ask.ACKNOWLEDGED:
            self.last_look(event, evidence)
        else:
            self.plan(evidence, event.held, event.partial)

    def weigh_activity(self, evidence: Evidence) -> None:
        """Cancel or take back what the newest activity forbids."""
        state = self.state
        if state.ordered and state.ask is not Ask.NO:
            return
        if state.taken and state.last_active > state.settled:
            self.take_back(evidence.cause)
            self.causes.append(f"no longer idle: {evidence.cause}")
        elif (state.warned or state.ask is not Ask.NO) and state.idle_since > state.quiet_since:
            self.cancel(evidence.cause)
            self.causes.append(f"not napping: {evidence.cause}")

    def weigh_conditions(self) -> None:
        """Undo the steps whose conditions hold no longer, and call off one that is no longer the next."""
        around = self.state.around
        for taken in reversed(self.state.taken):
            unmet = "; ".join(taken.step.conditions.unmet(around))
            if unmet:
                self.undo(taken)
                self.causes.append(f"{taken.step.title} is undone: {unmet}")
        aim = self.state.aim
        if self.state.warned or self.state.ask is not Ask.NO:
            following = next_step(self.state, self.policy)
            if aim is None or following != aim or (self.state.ask is not Ask.NO and not aim.sleeps):
                unmet = "" if aim is None else "; ".join(aim.conditions.unmet(around))
                why = unmet or "another step comes first now"
                self.cancel(why)
                self.causes.append(f"not napping: {why}")

    def last_look(self, event: Look, evidence: Evidence) -> None:
        """The wake server has acknowledged. If a look since then found no activity: sleep, unless somebody forbids it.

        A look that began before the acknowledgement does not do: the wakeup count was not read before it.
        """
        if event.commit != self.state.attempt or event.held is None:
            self.set(look_at=self.now)
        elif event.held:
            self.cancel(event.held[0])
            self.plan(evidence, event.held)
        else:
            self.act()

    def plan(self, evidence: Evidence, held: tuple[str, ...] | None, partial: bool = False) -> None:
        """Decide what is due, else when to look again."""
        state, following = self.state, next_step(self.state, self.policy)
        at = due(state, self.policy)
        if following is None or at is None:
            self.rest(self.resting(), self.soon(None, evidence), self.passed_over())
            return
        grace = 0.0 if self.policy.observe else following.grace_seconds
        warn_at = max(at - grace, retry(state, self.policy, following))
        if state.ask is not Ask.NO:
            if self.now >= state.asked_at + ANSWER_SECONDS:
                self.back_off("the preparation for the nap did not end", following)
            else:
                self.set(look_at=self.soon(state.asked_at + ANSWER_SECONDS, evidence))
        elif self.now < warn_at and not state.warned:
            self.rest(self.resting(), self.soon(warn_at, evidence))
        elif partial:
            self.set(look_at=self.now)  # nothing is done before all were asked
        elif following.sleeps and held is None:
            self.set(look_at=self.now)  # this look began too early to ask who forbids it
        elif following.sleeps and held:
            self.cancel(held[0])
            again = self.now + min(self.policy.backoff_seconds, following.after_seconds)
            self.rest(Phase.HELD, self.soon(again, evidence), "; ".join(held))
        elif following.sleeps and state.doubt and not state.warned and not self.policy.observe:
            self.rehearse(following)
            self.set(look_at=self.soon(self.now + ANSWER_SECONDS, evidence))
        elif not state.warned and grace > 0:
            self.warn(following, max(at, self.now + grace))
            self.set(look_at=self.soon(self.state.nap_at, evidence))
        elif self.now < state.nap_at and state.warned:
            self.set(look_at=self.soon(state.nap_at, evidence))
        else:
            self.nap(following)
            if self.policy.observe:
                self.plan(evidence, None)  # nothing was done, so nothing is new: what follows is planned on this look

    def passed_over(self) -> str | None:
        """Return why nothing follows, where conditions are the reason."""
        if not self.state.taken and self.now >= self.state.retry_at:
            return "; ".join(f"no {over.title}: {why}" for over, why in passed_over(self.state, self.policy))
        return None

    def nap_now(self, event: NapNow) -> None:
        if event.around is not None:
            self.set(around=event.around)
        if self.state.ask is Ask.REHEARSING:
            self.cancel("ordered to nap")
        following = next_step(self.state, self.policy)
        refusal = order_refused(self.state, self.policy, event.held)
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
        self.rest(Phase.HELD if self.policy.never else self.resting(), self.now, self.policy.never or None)

    def acknowledged(self, event: Acknowledged) -> None:
        if event.attempt != self.state.attempt or self.state.ask not in (Ask.ASKED, Ask.REHEARSING):
            return
        if self.now - self.state.asked_at > ANSWER_SECONDS:
            self.back_off("the acknowledgement came too late", self.state.aim)
        elif self.state.ask is Ask.REHEARSING:
            self.set(ask=Ask.NO, doubt=False, look_at=self.now)
        else:
            self.set(ask=Ask.ACKNOWLEDGED, doubt=False, look_at=self.now)

    def refused(self, event: Refused) -> None:
        if event.attempt == self.state.attempt and self.state.ask not in (Ask.NO, Ask.ACTING):
            self.set(doubt=True)
            self.back_off(event.reason, self.state.aim)

    def action_done(self, event: ActionDone) -> None:
        if any(taken.attempt == event.attempt and taken.step == self.state.troubled for taken in self.state.taken):
            self.set(backoff=0.0)

    def action_failed(self, event: ActionFailed) -> None:
        if self.state.ask is Ask.ACTING:
            if event.attempt == self.state.attempt:
                self.effects.append(Announce("failed"))
                self.set(ask=Ask.NO)
                self.back_off(event.reason, self.state.aim)
            return
        for taken in self.state.taken:
            if taken.attempt == event.attempt:
                self.undo(taken)
                self.back_off(event.reason, taken.step)

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
        if self.state.ask is Ask.ACTING:
            self.set(ask=Ask.NO)
        self.take_back("the machine woke up")
        self.effects.append(Announce("resume", event.slept_seconds))
        self.causes.append(f"slept {event.slept_seconds:.1f} s ({event.cause})")
        self.set(
            fresh=self.now,
            cause=f"woken ({event.cause})",
            not_before=self.now + self.policy.min_awake_seconds,
            retry_at=NEVER,
            backoff=0.0,
        )
        self.rest(Phase.RESUMING, self.now)
