# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens to a host (events), and what is to be done about it (effects)."""

from __future__ import annotations

from typing import NamedTuple

from powernap.wake.model import Address, Evidence, Held, Sleep, Visitor


class Tick(NamedTuple):
    """Time has passed."""


class Asleep(NamedTuple):
    """The host has registered that it goes to sleep; the registry has it on disk."""

    sleep: Sleep


class Recalled(NamedTuple):
    """This server has started, and its registry says that the host sleeps."""

    sleep: Sleep


class Hello(NamedTuple):
    """The host says, signed, that it is awake."""

    cause: str


class Order(NamedTuple):
    """Somebody entitled wants the host awake."""

    asked_by: str
    timeout: float


class Look(NamedTuple):
    """It is time to ask whether a host that is stood in for is there after all."""


class Postponed(NamedTuple):
    """The budget of wakes is used up: the volley that was due has not left; Turn follows when it may."""


class Turn(NamedTuple):
    """A host that waits for the budget may be woken now."""


class PortOpen(NamedTuple):
    """A TCP port of the host takes connections."""

    address: Address
    port: int


class OwnerSeen(NamedTuple):
    """A frame from one of the host's own cards.

    `ip` is the address it used as its own; None where it used none (a DHCP client, a firmware, duplicate-address
    detection). `peer` is the address it looks for. `answers`: it answers a question of ours.
    """

    ip: bytes | None
    peer: bytes | None = None
    answers: bool = False


class Asked(NamedTuple):
    """Somebody else asks where an address of the host is. `probe`: it wants the address for itself.

    `wakes`: it may wake a host whose wake_on is arp; it is answered in any case.
    """

    address: Address
    visitor: Visitor
    probe: bool
    wakes: bool = True


class SelfAsked(NamedTuple):
    """This machine's own kernel asks where an address of the host is."""

    address: Address
    visitor: Visitor


class Pinged(NamedTuple):
    """Somebody else sends an echo request, whole in `frame`, to an address of the host."""

    address: Address
    visitor: Visitor
    frame: bytes


class Claimed(NamedTuple):
    """A third card says that it has an address of the host."""

    address: Address
    mac: bytes


class Knock(NamedTuple):
    """A packet that is demand. `may_hold`: it may be kept for the replay."""

    held: Held
    may_hold: bool


Event = (
    Tick
    | Look
    | Asleep
    | Recalled
    | Hello
    | Order
    | Postponed
    | Turn
    | PortOpen
    | OwnerSeen
    | Asked
    | SelfAsked
    | Pinged
    | Claimed
    | Knock
)


class Volley(NamedTuple):
    """Send the magic packets number `number` (from 0), by every way whose time has come.

    The first of a wake is subject to the budget unless `granted`; where it does not leave, Postponed is told.
    """

    number: int
    granted: bool = False


class Hurry(NamedTuple):
    """A wake that waits for the budget is wanted by somebody entitled now."""


class Probe(NamedTuple):
    """Ask the owner whether it is there: everybody's question, or one to its own card only."""

    address: Address
    broadcast: bool


class Announce(NamedTuple):
    """Tell all, or one card alone, that the address is here."""

    address: Address
    to: bytes | None = None


class Answer(NamedTuple):
    """Tell who asked that the address is here."""

    address: Address
    visitor: Visitor
    probe: bool


class Pong(NamedTuple):
    """Answer an echo request in the host's stead."""

    address: Address
    visitor: Visitor
    frame: bytes


class GiveBack(NamedTuple):
    """Tell all, or one card alone, that the address is at its owner."""

    address: Address
    to: bytes | None = None


class TryPort(NamedTuple):
    """Find out whether a TCP port of the host takes connections; answer PortOpen if it does."""

    address: Address
    port: int


class Replay(NamedTuple):
    """Send a held frame to the owner."""

    held: Held


class Released(NamedTuple):
    """So many held frames are given up, not replayed."""

    frames: int


class Log(NamedTuple):
    """Something to tell people. `detail` becomes text only after the packets are out."""

    event: str
    detail: str | Visitor = ""


class Forgotten(NamedTuple):
    """The sleep is over: the registry may drop what the host registered."""


class WakeEnded(NamedTuple):
    """A wake has come to its end. `was_awake`: there was nothing to wake. `verified`: what shows that it is awake."""

    woken: bool
    was_awake: bool
    seconds: float
    reason: str
    asked_by: str | Visitor
    verified: Evidence | None = None


Effect = (
    Volley
    | Hurry
    | Probe
    | Announce
    | Answer
    | Pong
    | GiveBack
    | TryPort
    | Replay
    | Released
    | Log
    | Forgotten
    | WakeEnded
)
