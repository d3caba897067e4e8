# SPDX-License-Identifier: GPL-3.0-or-later
"""Telling the neighbours that a silent host's addresses are here. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from powernap.wake.model import Policy


class Due(Enum):
    NOTHING = "nothing"
    QUESTION = "question"
    ANNOUNCEMENT = "announcement"


@dataclass(frozen=True, slots=True)
class Claim:
    """`told`: announcements made. The first follows the questions of arming at once.

    Each further one follows a question to the owner that nobody answered: an announcement that reaches an owner in
    duplicate-address detection leaves it without the address (RFC 4862 section 5.4.4).
    """

    started: float
    told: int = 0
    asked_at: float | None = None

    def deadline(self, policy: Policy) -> float:
        at = self.started + policy.announce_at[self.told]
        if not self.told:
            return at
        return at - policy.answer_seconds if self.asked_at is None else max(at, self.asked_at + policy.answer_seconds)

    def tick(self, now: float, policy: Policy) -> tuple[Claim | None, Due]:
        """None: the last announcement is due, and nothing follows."""
        if now < self.deadline(policy):
            return self, Due.NOTHING
        if self.told and self.asked_at is None:
            return replace(self, asked_at=now), Due.QUESTION
        told = self.told + 1
        over = told == len(policy.announce_at)
        return None if over else replace(self, told=told, asked_at=None), Due.ANNOUNCEMENT
