# SPDX-License-Identifier: GPL-3.0-or-later
"""Crying wolf: who wakes hosts for nothing again and again is no longer believed for a time. Pure.

Whether a wake was for nothing only the woken host knows (on a switched network its connections are not heard here): it
says so when it goes to sleep again. A wake of which it says nothing counts for nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from powernap.wake.demand import MONITORS, PROTOCOLS
from powernap.wake.model import Visitor

_NAMES = {monitor.what: monitor.name for monitor in MONITORS}
#: What may serve somebody without a connection being accepted: a wake by it is never known to be for nothing.
_UNPROVEN = frozenset(("UDP", "TCP data"))


class Crier(NamedTuple):
    """Who wakes, and by what: a source's address, and "tcp/22" or the name of a demand monitor, such as "arp"."""

    source: bytes
    by: str


class Wake(NamedTuple):
    """One wake by a crier of which it is known what it was for. `at`: Unix time."""

    at: float
    false: bool


class Demotion(NamedTuple):
    """Between these Unix times the crier wakes nobody."""

    since: float = 0.0
    until: float = 0.0
    reason: str = ""


NOT_DEMOTED = Demotion()


@dataclass(frozen=True, slots=True)
class Limits:
    """`false` of the last `of` wakes within `within` seconds demote for `demoted` seconds; `false` 0: never."""

    false: int = 3
    of: int = 4
    within: float = 86400.0
    demoted: float = 86400.0


def crier(visitor: Visitor) -> Crier:
    protocol = PROTOCOLS.get(visitor.what, "")
    by = f"{protocol}/{visitor.to_port}" if protocol else _NAMES.get(visitor.what, visitor.what)
    return Crier(visitor.ip, by)


def was_false(what: str, used: bool | None) -> bool | None:
    """Whether a wake by such a frame (Visitor.what) was for nothing; None: nobody knows.

    `used`: the host's own word, whether it was of use to anybody while it was awake.
    """
    if used is None or (not used and what in _UNPROVEN):
        return None
    return not used


def latest(wakes: tuple[Wake, ...], limits: Limits, now: float) -> tuple[Wake, ...]:
    """Those that still count."""
    return tuple(wake for wake in wakes[-limits.of :] if now - wake.at <= limits.within)


def demotion(wakes: tuple[Wake, ...], limits: Limits, now: float) -> Demotion | None:
    """What follows from the wakes of one crier, the newest last."""
    counted = latest(wakes, limits, now)
    false = sum(wake.false for wake in counted)
    if not limits.false or false < limits.false or not counted[-1].false:
        return None
    reason = f"{false} of its last {len(counted)} wakes were for nothing"
    return Demotion(now, now + limits.demoted, reason)
