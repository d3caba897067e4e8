# SPDX-License-Identifier: GPL-3.0-or-later
"""What every way to wake a machine has in common."""

from __future__ import annotations

from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any, ClassVar, NamedTuple, Protocol

from powernap.net.interfaces import Interface
from powernap.wake.model import Address


class Segment(Protocol):
    """An Ethernet segment on which frames can be sent."""

    interface: Interface

    def send(self, frame: bytes) -> bool:
        pass


@dataclass(frozen=True)
class Means:
    """What there is to wake with. `program`: a site's own, with its arguments, and the seconds that it may take."""

    segments: Mapping[str, Segment]
    udp_port: int = 9
    program: tuple[str, ...] = ()
    program_seconds: float = 20.0


@dataclass(frozen=True)
class Target:
    """A machine to be woken, and why.

    `cards`: each of its MAC addresses, with the segment it is on ("" where that is not known). `subnets`: where
    routers may have to carry a magic packet. `password`: SecureOn. `volley` counts from 0.
    """

    name: str
    cards: tuple[tuple[bytes, str], ...]
    password: str | None = None
    addresses: tuple[Address, ...] = ()
    subnets: tuple[IPv4Network, ...] = ()
    group: str = ""
    reason: str = ""
    volley: int = 0


class Outcome(NamedTuple):
    """What came of one try: packets that left, and what people should know besides ("" where nothing)."""

    packets: int
    text: str = ""


#: One frame, and where it is sent.
Shot = tuple[Segment, bytes]


class WakeMethod:
    """`once`: one try in a wake is enough; else it is tried with every volley from its second on."""

    once: ClassVar[bool] = False

    def __init__(self, means: Means) -> None:
        self.means = means

    @classmethod
    def is_usable(cls, means: Means) -> bool:
        """False where the configuration lacks what it needs."""
        return True

    def shots(self, target: Target) -> tuple[Shot, ...] | None:
        """All that a try consists of, where that is frames which are the same in every volley; else None."""
        return None

    def wake(self, target: Target) -> Outcome | Coroutine[Any, Any, Outcome]:
        """Try once. Must not block: what takes time is a coroutine, which is waited for elsewhere. Never raises."""
        raise NotImplementedError

    def close(self) -> None:
        """Let go of what is held open."""
