# SPDX-License-Identifier: GPL-3.0-or-later
"""Is the owner of an address silent? Probes, and what follows from the answers. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from powernap.wake.events import Asked
from powernap.wake.model import Policy, Wanted

_SLOWEST_ROUND = 10


class Verdict(Enum):
    WAIT = "wait"
    PROBE = "probe"
    SILENT = "silent"
    STAYS_AWAKE = "stays awake"


@dataclass(frozen=True, slots=True)
class Arm:
    """Probing a host that said it goes to sleep, or that was seen awake but has not said so itself.

    Slow probes settle it for certain; fast ones, sent when somebody asks for the host meanwhile, settle it before the
    asker gives up. `next_at` and `fast_at` are times of the next probe or verdict. `recalled`: it slept when this
    server last ran.
    """

    gap: float
    next_at: float
    sent: int = 0
    rounds: int = 0
    fast_at: float | None = None
    fast_sent: int = 0
    asked: tuple[Asked, ...] = ()
    wanted: Wanted | None = None
    recalled: bool = False

    @property
    def deadline(self) -> float:
        return self.next_at if self.fast_at is None else min(self.next_at, self.fast_at)

    def hurry(self, now: float) -> Arm:
        return self if self.fast_at is not None else replace(self, fast_at=now, fast_sent=0)

    def soon(self, now: float) -> Arm:
        """Begin the slow probes now, where they wait for their next round."""
        return self if self.sent or self.next_at <= now else replace(self, next_at=now)

    def asked_by(self, asked: Asked, policy: Policy) -> Arm:
        if len(self.asked) >= policy.askers or asked in self.asked:
            return self
        return replace(self, asked=(*self.asked, asked))

    def answered(self, now: float) -> Arm:
        """The owner is still there: start again, each round later than the one before (a shutdown takes its time)."""
        arm = replace(self, fast_at=None, fast_sent=0, asked=())
        if self.sent:
            rounds = self.rounds + 1
            arm = replace(arm, rounds=rounds, sent=0, next_at=now + self.gap * min(rounds, _SLOWEST_ROUND))
        if self.wanted is not None:
            arm = replace(arm, fast_at=now + self.gap)
        return arm

    def tick(self, now: float, policy: Policy) -> tuple[Arm, Verdict]:
        if self.fast_at is not None and now >= self.fast_at:
            if self.fast_sent >= policy.fast_probes:
                return self, Verdict.SILENT
            fast_at = now + policy.fast_probe_seconds
            return replace(self, fast_at=fast_at, fast_sent=self.fast_sent + 1), Verdict.PROBE
        if now < self.next_at:
            return self, Verdict.WAIT
        if self.sent > policy.silent_probes:
            return self, Verdict.SILENT
        if self.rounds >= policy.rounds:
            return self, Verdict.STAYS_AWAKE
        # The last is asked shortly before the verdict: who was coming back meanwhile must not be told that its address
        # is taken.
        sent, last = self.sent + 1, min(policy.answer_seconds, self.gap)
        waits = {policy.silent_probes: self.gap - last, policy.silent_probes + 1: last}
        return replace(self, sent=sent, next_at=now + waits.get(sent, self.gap)), Verdict.PROBE
