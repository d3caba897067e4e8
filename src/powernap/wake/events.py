# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens to a host (events), and what is to be done about it (effects)."""

from __future__ import annotations

from typing import NamedTuple

from powernap.wake.model import Address, Held, Sleep, Visitor


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


class PortOpen(NamedTuple):
    """A TCP port of the host takes connections."""

    address: Address
    port: int


class OwnerSeen(NamedTuple):
    """A frame from one of the host's own cards.

    `ip` is the address it used as its own; None where it used none (a DHCP client, a firmware, duplicate-address
    detection). `peer` is the address it looks for.
    """

    ip: bytes | None
    peer: bytes | None = None


class Asked(NamedTuple):
    """Somebody else asks where an address of the host is. `probe`: it wants the address for itself."""

    address: Address
    visitor: Visitor
    probe: bool


class SelfAsked(NamedTuple):
    """This machine's own kernel asks where an address of the host is."""

    address: Address
    visitor: Visitor


class Claimed(NamedTuple):
    """A third card says that it has an address of the host."""

    address: Address
    mac: bytes


class Knock(NamedTuple):
    """A packet that is demand. `may_hold`: it may be kept for the replay."""

    held: Held
    may_hold: bool


Event = Tick | Asleep | Recalled | Hello | Order | PortOpen | OwnerSeen | Asked | SelfAsked | Claimed | Knock


class Volley(NamedTuple):
    """Send the magic packets number `number` (from 0), by every way there is."""

    number: int


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


class Log(NamedTuple):
    """Something to tell people. `detail` becomes text only after the packets are out."""

    event: str
    detail: str | Visitor = ""


class Forgotten(NamedTuple):
    """The sleep is over: the registry may drop what the host registered."""


class WakeEnded(NamedTuple):
    """A wake has come to its end. `was_awake`: there was nothing to wake."""

    woken: bool
    was_awake: bool
    seconds: float
    reason: str
    asked_by: str | Visitor


Effect = Volley | Probe | Announce | Answer | GiveBack | TryPort | Replay | Log | Forgotten | WakeEnded
