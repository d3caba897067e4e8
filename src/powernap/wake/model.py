# SPDX-License-Identifier: GPL-3.0-or-later
"""What the wake server knows of one host. All times are seconds of one clock that counts the server's own sleep."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import NamedTuple

from powernap.shared.mac import format_mac
from powernap.shared.ports import Ranges

HELD_IN_ALL = 4096


class State(str, Enum):
    """The states of a host, as wake server and people see them."""

    AWAKE = "awake"
    REGISTERED = "registered"
    ARMING = "arming"
    PROXIED = "proxied"
    WAKING = "waking"
    RESTORING = "restoring"
    UNREACHABLE = "unreachable"
    EXPIRED = "expired"


class Evidence(str, Enum):
    """What shows that a host is awake, the strongest first. Whatever comes first ends the wake: none is waited for."""

    HELLO = "hello"
    PORT = "TCP port"
    ANSWER = "answer"
    FRAME = "frame"


class Address(NamedTuple):
    """One address of a host: the segment (our interface's name) it lies on, 4 or 16 bytes, and its card's MAC."""

    segment: str
    ip: bytes
    mac: bytes

    @property
    def is_ipv6(self) -> bool:
        return len(self.ip) == 16


class Visitor(NamedTuple):
    """Who asks for a host, and with what; `port` and `to_port` are 0 for ARP and NS. `own`: this machine itself."""

    what: str
    mac: bytes
    ip: bytes
    port: int = 0
    to_port: int = 0
    own: bool = False

    def __str__(self) -> str:
        return _text(self)


@lru_cache(maxsize=256)
def _text(visitor: Visitor) -> str:
    ip = ipaddress.ip_address(visitor.ip)
    source = f"[{ip}]" if ip.version == 6 and visitor.port else str(ip)
    itself = ", this machine itself" if visitor.own else ""
    if visitor.port:
        return (
            f"{visitor.what} to port {visitor.to_port} from {source}:{visitor.port} ({format_mac(visitor.mac)}){itself}"
        )
    return f"{visitor.what} from {source} ({format_mac(visitor.mac)}){itself}"


class Held(NamedTuple):
    """A frame that waits for its host. A datagram goes out `once`; a SYN may be repeated as its sender would."""

    visitor: Visitor
    address: Address
    frame: bytes
    once: bool

    @property
    def flow(self) -> tuple[bytes, bytes, int, int, bool]:
        return self.visitor.ip, self.address.ip, self.visitor.port, self.visitor.to_port, self.once


class Wanted(NamedTuple):
    """Why a host is to be awake, and who asked for it."""

    reason: str
    asked_by: str | Visitor


@dataclass(frozen=True, slots=True)
class Sleep:
    """What a host registered before it went to sleep. `pings`: echo requests are answered for it."""

    action: str
    addresses: tuple[Address, ...]
    macs: tuple[bytes, ...]
    tcp: Ranges = ()
    udp: Ranges = ()
    password: str | None = None
    lease_ends: float = float("inf")
    wake_by: float = float("inf")
    pings: bool = False


@dataclass(frozen=True, slots=True)
class Policy:
    """The numbers of the protocol, seconds where nothing else is said.

    `escalate_at`: when a further way of waking begins, seconds after the first volley; each is a volley of its own.
    `ready_probe_seconds`: how often a host is asked whether it is awake where its answer is waited for here;
    `unhurried_probe_seconds`: where it is not, and no magic packet is left with which to ask. `unhurried_seconds`: how
    late such a host's magic packets may be.
    `look_seconds`: how often the owner of an address that is stood in for is asked whether it is there after all.
    `answer_seconds`: how long it may take to answer: an announcement waits so long for it (claiming.py tells why).
    """

    probe_seconds: float = 1.0
    recall_probe_seconds: float = 0.3
    silent_probes: int = 3
    rounds: int = 20
    fast_probe_seconds: float = 0.1
    fast_probes: int = 2
    announce_at: tuple[float, ...] = (0.0, 1.0, 3.0, 7.0)
    answer_seconds: float = 0.02
    look_seconds: float = 60.0
    volleys: int = 15
    volley_seconds: float = 30.0
    escalate_at: tuple[float, ...] = ()
    ready_probe_seconds: float = 0.1
    unhurried_probe_seconds: float = 1.0
    unhurried_seconds: float = 0.25
    check_seconds: float = 0.3
    try_port_seconds: float = 0.25
    resume_timeout: float = 120.0
    quiet_timeout: float = 10.0
    replay_at: tuple[float, ...] = (0.0, 0.1, 0.3, 1.0)
    restore_seconds: float = 5.0
    hold_frames: bool = True
    held_per_host: int = 64
    askers: int = 16
    neighbours: int = 64

    def volley_times(self) -> tuple[float, ...]:
        """When each volley leaves, after the first: dense at first, as most hosts wake at once."""
        return _volley_times(self.volleys, self.volley_seconds, self.escalate_at)


@lru_cache(maxsize=64)
def _volley_times(volleys: int, seconds: float, escalate_at: tuple[float, ...]) -> tuple[float, ...]:
    spread = (seconds * (number / (volleys - 1)) ** 1.5 for number in range(1, volleys))
    return tuple(sorted({0.0, *spread, *escalate_at}))
