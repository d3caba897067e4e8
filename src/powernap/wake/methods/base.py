# SPDX-License-Identifier: GPL-3.0-or-later
"""What every way to wake a machine has in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from powernap.net.interfaces import Interface


class Segment(Protocol):
    """An Ethernet segment on which frames can be sent."""

    interface: Interface

    def send(self, frame: bytes) -> bool: ...


@dataclass(frozen=True)
class Target:
    """`cards`: each MAC address of the machine, with the segment it is on ("" where that is not known)."""

    name: str
    cards: tuple[tuple[bytes, str], ...]
    password: str | None = None


class WakeMethod(Protocol):
    def __init__(self, segments: Mapping[str, Segment], udp_port: int) -> None: ...

    def wake(self, target: Target, volley: int) -> int:
        """Try once; must not block. Returns how many packets or orders went out. `volley` counts from 0."""
