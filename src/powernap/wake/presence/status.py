# SPDX-License-Identifier: GPL-3.0-or-later
"""Evidence of a machine to what it is: `fuse(facts, now) -> Status`. Pure; all times are Unix times.

An earlier word of the machine counts until something shows otherwise; what is asked of it decides what it is called.
Nobody is called awake whom nothing shows to be so.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from powernap.wake.model import State

#: A machine that said it restarts is waited for so long.
RESTART_SECONDS = 600.0


class Condition(str, Enum):
    """What a machine is. What it says of itself is believed as far as nothing that is seen contradicts it."""

    AWAKE = "awake"
    WARNED = "warned"
    POWERSAVE = "powersave"
    NAPPING = "napping"
    WAKING = "waking"
    OFF = "off"
    UNREACHABLE = "unreachable"
    UNKNOWN = "unknown"

    @property
    def is_up(self) -> bool:
        """True where it runs, for all that is known."""
        return self in UP


UP = frozenset((Condition.AWAKE, Condition.WARNED, Condition.POWERSAVE))


class Word(NamedTuple):
    """What a machine last said of itself; `at`: when, `since`: when that began, `next_at`: when it means to change."""

    state: str
    at: float
    since: float
    why: str = ""
    next_at: float | None = None


class Parting(NamedTuple):
    """Its link has ended, or it has taken its leave: `cause` is that of `bye`; "" for a link lost without a word."""

    cause: str
    at: float


class Look(NamedTuple):
    """What came of asking it. `answered`, by `how` ("ARP", "TCP 22"), and since when it has been so; `last`: time.

    `other`: the card that answers in its place, where one does.
    """

    answered: bool
    how: str
    since: float
    last: float
    other: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """All that is known of one machine. `state`, `since`: of the wake server's own state machine (docs/protocol.md).

    `action`: what it registered before it slept. `asked`: it is believed awake, and only asked before it is woken.
    `linked`: since when its link is open. `parting`, `look`: since it was last heard; None where nothing was.
    """

    state: State
    since: float
    action: str = ""
    asked: bool = False
    linked: float | None = None
    word: Word | None = None
    parting: Parting | None = None
    look: Look | None = None


@dataclass(frozen=True, slots=True)
class Status:
    """`evidence`: by what it is known, and `evidence_at` when that was; "" and None where nothing is."""

    condition: Condition
    since: float
    why: str
    evidence: str = ""
    evidence_at: float | None = None


def fuse(facts: Facts, now: float) -> Status:
    followed = asleep(facts)
    if followed is not None:
        return followed
    if facts.state is State.EXPIRED and facts.look is None:
        return Status(Condition.UNKNOWN, facts.since, "its lease has ended and it did not wake", "", None)
    if facts.linked is not None:
        return _linked(facts, facts.linked, now)
    if facts.look is not None:
        return _looked_at(facts, facts.look, now)
    return _unseen(facts, now)


def asleep(facts: Facts) -> Status | None:
    """Where the wake server itself follows what it does: whatever else is known does not matter."""
    state, since = facts.state, facts.since
    down = Condition.OFF if facts.action == "poweroff" else Condition.NAPPING
    action = facts.action or "sleep"
    if state in (State.REGISTERED, State.ARMING):
        return Status(down, since, f"goes to {action}, and is asked until it is silent", "registration", since)
    if state is State.PROXIED:
        return Status(down, since, f"registered for {action}, and is silent", "registration, silence", since)
    if state is State.WAKING and not facts.asked:
        return Status(Condition.WAKING, since, "is being woken", "magic packets", since)
    if state is State.RESTORING and facts.linked is None:
        return Status(Condition.AWAKE, since, "has woken and gets its addresses back", "frames of its card", since)
    if state is State.UNREACHABLE:
        return Status(Condition.UNREACHABLE, since, "did not wake", "no answer to magic packets", since)
    return None


def _linked(facts: Facts, linked: float, now: float) -> Status:
    word = facts.word
    if word is None:
        return Status(Condition.AWAKE, max(linked, facts.since), "its link is open", "open link", now)
    if word.state in ("napping", "off"):
        # Without a registration nobody would wake it: it only means to.
        why = f"says that it goes to sleep ({word.state}), but has registered no sleep here"
        return Status(Condition.WARNED, word.since, why, "open link", now)
    why = word.why or f"says that it is {word.state}"
    return Status(Condition(word.state), word.since, why, "open link", now)


def _looked_at(facts: Facts, look: Look, now: float) -> Status:
    if look.answered:
        word = facts.word
        if facts.parting is None and word is not None and word.state in ("warned", "powersave"):
            return Status(
                Condition(word.state), max(facts.since, word.since), word.why or "said so", look.how, look.last
            )
        return Status(Condition.AWAKE, _since_up(facts, look), _why_up(facts), look.how, look.last)
    cause = facts.parting.cause if facts.parting is not None else None
    if cause == "poweroff":
        return Status(Condition.OFF, look.since, "said that it powers off, and is silent", look.how, look.last)
    if cause == "reboot" and facts.parting is not None and now - facts.parting.at < RESTART_SECONDS:
        return Status(Condition.WAKING, facts.parting.at, "said that it restarts, and is silent", look.how, look.last)
    return Status(Condition.UNREACHABLE, look.since, _why_silent(facts, look), look.how, look.last)


def _since_up(facts: Facts, look: Look) -> float:
    return max(facts.since, look.since) if facts.word is None else facts.since


def _why_up(facts: Facts) -> str:
    if facts.parting is None:
        return "answers" if facts.word is not None else "answers; it has not said anything itself"
    cause = facts.parting.cause
    if cause == "":
        return "answers, but powernapd does not"
    return {
        "poweroff": "answers still, but said that it powers off",
        "reboot": "answers, but powernapd does not: it said that it restarts",
        "reload": "answers, but powernapd, which said that it reloads, does not",
    }.get(cause, "answers; its powernapd was stopped")


def _why_silent(facts: Facts, look: Look) -> str:
    other = f"; {look.other} answers at its address, which is no card of its" if look.other else ""
    if facts.parting is None:
        return f"does not answer{other}"
    return {
        "": f"its link was lost without a word, and it does not answer{other}",
        "reboot": f"said that it restarts, and did not come back{other}",
    }.get(facts.parting.cause, f"its powernapd has ended ({facts.parting.cause}), and it does not answer{other}")


def _unseen(facts: Facts, now: float) -> Status:
    """It has not been asked since it was last heard."""
    word, parting = facts.word, facts.parting
    heard = None if word is None else word.at
    if parting is None:
        if word is None:
            return Status(Condition.UNKNOWN, facts.since, "has neither said anything nor been asked yet", "", None)
        condition = Condition(word.state) if word.state in ("warned", "powersave") else Condition.AWAKE
        return Status(condition, max(facts.since, word.since), word.why or "said so", "its word", heard)
    if parting.cause == "poweroff":
        return Status(Condition.OFF, parting.at, "said that it powers off", "its word", parting.at)
    if parting.cause == "reboot" and now - parting.at < RESTART_SECONDS:
        return Status(Condition.WAKING, parting.at, "said that it restarts", "its word", parting.at)
    if parting.cause in ("stopped", "reload"):
        why = "its powernapd was stopped" if parting.cause == "stopped" else "its powernapd reloads"
        return Status(Condition.AWAKE, facts.since, why, "its word", parting.at)
    return Status(Condition.UNKNOWN, parting.at, "its link was lost, and it is being asked", "its word", heard)
