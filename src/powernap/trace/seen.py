# SPDX-License-Identifier: GPL-3.0-or-later
"""A frame as people are told of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Kind(str, Enum):
    """QUESTION: who has the target? PROBE: the same of one that wants the address for itself. ANSWER: the target is at
    `mac`. ANNOUNCEMENT: that, told to all unasked. SYN opens a connection, SEGMENT is any other of TCP.
    """

    QUESTION = "question"
    PROBE = "probe"
    ANSWER = "answer"
    ANNOUNCEMENT = "announcement"
    MAGIC = "magic packet"
    SYN = "SYN"
    SEGMENT = "TCP segment"
    DATAGRAM = "datagram"
    ECHO = "echo request"
    OTHER = "other"


@dataclass(frozen=True)
class Seen:
    """`time` is Unix time. MAC and IP addresses are text, "" where there is none; `vlan` is 0 without a tag.

    `mac`: the card that an answer or announcement names, or the one that a magic packet wakes. `size`: bytes of
    payload. `secured`: the magic packet carries a SecureOn password.
    """

    time: float
    kind: Kind
    protocol: str
    eth_source: str
    eth_destination: str
    vlan: int = 0
    interface: str = ""
    source: str = ""
    target: str = ""
    mac: str = ""
    source_port: int = 0
    port: int = 0
    size: int = 0
    secured: bool = False

    @property
    def to_all(self) -> bool:
        return bool(int(self.eth_destination[:2], 16) & 1)
