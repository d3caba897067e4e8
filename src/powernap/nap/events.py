# SPDX-License-Identifier: GPL-3.0-or-later
"""What the engine is told (events) and what it asks for (effects). Times are seconds."""

from __future__ import annotations

from dataclasses import dataclass

from powernap.nap.conditions import Surroundings
from powernap.nap.evidence import Reading
from powernap.nap.policy import Step


@dataclass(frozen=True)
class Look:
    """All monitors were asked, or only some (``partial``): of the others it has what they said before.

    ``held``: who forbids a sleep, one sentence each (inhibitors); None: nobody was asked. ``around``: the surroundings;
    None: as before. ``commit``: the attempt for which the wakeup count was read before the monitors were asked.
    ``began``: when the look began, where that was earlier than its answers.
    """

    readings: tuple[Reading, ...]
    held: tuple[str, ...] | None = ()
    around: Surroundings | None = None
    commit: int = 0
    began: float | None = None
    partial: bool = False


@dataclass(frozen=True)
class NapNow:
    """An order: take the next step at once."""

    held: tuple[str, ...] = ()
    around: Surroundings | None = None


@dataclass(frozen=True)
class Recover:
    """An order: be fully awake, with a fresh idle period."""

    cause: str = "ordered"


@dataclass(frozen=True)
class Acknowledged:
    """The wake server knows that this machine is about to sleep (or would, at a rehearsal), and it can be woken."""

    attempt: int


@dataclass(frozen=True)
class Refused:
    """The nap must not be: no acknowledgement, or no way to be woken."""

    attempt: int
    reason: str


@dataclass(frozen=True)
class ActionDone:
    """An action is in effect."""

    attempt: int


@dataclass(frozen=True)
class ActionFailed:
    """An action was not carried out."""

    attempt: int
    reason: str


@dataclass(frozen=True)
class GoingToSleep:
    """The machine is about to stop, by our order or somebody else's."""


@dataclass(frozen=True)
class Resumed:
    """The machine runs again."""

    slept_seconds: float
    cause: str = "resume"


Event = Look | NapNow | Recover | Acknowledged | Refused | ActionDone | ActionFailed | GoingToSleep | Resumed


@dataclass(frozen=True)
class Warn:
    """Tell people what comes."""

    seconds: float
    action: str
    reason: str


@dataclass(frozen=True)
class CancelWarning:
    """Tell people that it does not come."""

    reason: str


@dataclass(frozen=True)
class Register:
    """Make sure that the machine can be woken, and tell the wake server; answer Acknowledged or Refused."""

    action: str
    attempt: int


@dataclass(frozen=True)
class Rehearse:
    """Find out whether Register would be acknowledged, but leave the machine registered as awake; answer as there."""

    action: str
    attempt: int


@dataclass(frozen=True)
class Act:
    """Carry a step out; answer ActionDone or ActionFailed."""

    step: Step
    attempt: int

    @property
    def action(self) -> str:
        return self.step.action


@dataclass(frozen=True)
class Undo:
    """Take a step back."""

    step: Step

    @property
    def action(self) -> str:
        return self.step.action


@dataclass(frozen=True)
class Announce:
    """Tell the wake server, until it acknowledges, that this machine is awake."""

    cause: str
    slept_seconds: float = 0.0


@dataclass(frozen=True)
class LookAt:
    """Ask all monitors again then (CLOCK_BOOTTIME); None: when something calls."""

    at: float | None


@dataclass(frozen=True)
class Answer:
    """What became of the last NapNow, for who ordered it."""

    ok: bool
    sentence: str


@dataclass(frozen=True)
class Record:
    """Note a decision in the journal of decisions."""

    cause: str


Effect = Warn | CancelWarning | Register | Rehearse | Act | Undo | Announce | LookAt | Answer | Record
