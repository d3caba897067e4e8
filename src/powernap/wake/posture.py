# SPDX-License-Identifier: GPL-3.0-or-later
"""What the packet path is to do for each address of a host, by the host's state. Pure."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from powernap.shared.mac import magic_packet
from powernap.wake.host import STANDING_BY, Host
from powernap.wake.model import Address, Sleep, State
from powernap.wake.path.base import Entry, gate_of

Posture = dict[Address, Entry]
_PLAIN_MAGIC_PACKET = 102  # bytes (AMD, Magic Packet Technology): what is more is the SecureOn password
_ANY_CARD = "02:00:00:00:00:01"


class Stance(NamedTuple):
    """How a host at rest is stood in for. `may_fire`: no rule that only the daemon can judge could forbid a wake."""

    state: State
    captured: bool
    wake_on: str
    may_fire: bool = True
    gate: int = 0


def at_rest(host: Host) -> bool:
    """True where nothing is under way: what is to be known of the host is on disk and in the packet path."""
    if host.arm is not None or host.wake is not None or host.restore is not None or host.held:
        return False
    return host.state in (State.AWAKE, State.EXPIRED, *STANDING_BY)


def goes_on(old: Host, new: Host) -> bool:
    """True where nothing but the progress of a wake has changed: so most steps of a host are."""
    if old.wake is None or new.wake is None or old.wake.booting is not new.wake.booting:
        return False
    return (
        old.sleep is new.sleep
        and old.state is new.state
        and old.captured is new.captured
        and old.held is new.held
        and old.arm is new.arm
        and old.addresses is new.addresses
        and old.macs is new.macs
        and old.wake_on is new.wake_on
        and old.group is new.group
    )


def stands(host: Host) -> tuple[object, ...]:
    """All of a host that its posture follows from: most steps of a host leave that alone."""
    return (
        host.state,
        host.captured,
        host.sleep,
        host.addresses,
        host.macs,
        host.wake_on,
        host.group,
        at_rest(host),
        host.arm is None,
        host.wake is not None and host.wake.booting,
    )


def posture(host: Host, may_fire: bool = True) -> Posture:
    """An address that is not in it concerns nobody."""
    if host.state is State.EXPIRED or (host.state is State.AWAKE and host.arm is None):
        return {}
    if at_rest(host):
        stance = Stance(host.state, host.captured, host.wake_on, may_fire, gate_of(host.group))
        return standing_by(host.number, stance, host.sleep, host.known_addresses())
    if host.wake is None or not host.stands_in():
        return watched(host.number, host.known_addresses())
    return {address: _entry(host.number, address, host.sleep, answers=True) for address in host.known_addresses()}


def standing_by(number: int, stance: Stance, sleep: Sleep | None, addresses: tuple[Address, ...]) -> Posture:
    """Of a host at rest that is PROXIED or UNREACHABLE."""
    answers = stance.captured and sleep is not None
    by_question = stance.wake_on == "arp" and not answers
    fires = stance.may_fire and sleep is not None and (by_question or (answers and stance.wake_on != "never"))
    return {
        address: _entry(number, address, sleep, answers, fires and any(address.mac), by_question, stance.gate)
        for address in addresses
    }


def watched(number: int, addresses: tuple[Address, ...]) -> Posture:
    """All that concerns these addresses is for the daemon."""
    return {address: Entry(number, address.mac) for address in addresses}


def cards(host: Host) -> tuple[bytes, ...]:
    """The cards of which every frame is for the daemon."""
    return () if host.state is State.AWAKE and host.arm is None else host.all_macs()


def _entry(
    number: int,
    address: Address,
    sleep: Sleep | None,
    answers: bool = False,
    fires: bool = False,
    on_question: bool = False,
    gate: int = 0,
) -> Entry:
    if sleep is None:
        return Entry(number, address.mac, answers, fires, on_question, gate=gate)
    return Entry(
        number,
        address.mac,
        answers,
        fires,
        on_question,
        answers and sleep.pings,
        sleep.tcp,
        sleep.udp,
        _password(sleep.password),
        gate,
    )


@lru_cache(maxsize=64)
def _password(text: str | None) -> bytes:
    return magic_packet(_ANY_CARD, text)[_PLAIN_MAGIC_PACKET:]
