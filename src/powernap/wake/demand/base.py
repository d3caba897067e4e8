# SPDX-License-Identifier: GPL-3.0-or-later
"""What every demand monitor is, and what it is given."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

from powernap.net import ethernet, ip
from powernap.net.frames import Frame
from powernap.wake.demand.book import Book
from powernap.wake.events import Event, Knock
from powernap.wake.model import Held, Sleep, Visitor


class Received(NamedTuple):
    """A frame with where it came from; `outgoing`: from this machine itself. `raw` is kept for the replay."""

    segment: str
    frame: Frame
    raw: bytes
    outgoing: bool = False


#: (host, event) for each host that a frame concerns.
Meaning = list[tuple[str, Event]]


class DemandMonitor:
    """One kind of frame that asks for a host. Pure.

    `name`: its switch in [demand]. `frame`: the parsed frames that it is given. `what`: how it names a visitor's
    frame (Visitor.what). `protocol`: what its port is a port of, as rules have it; empty where it has none.
    """

    name: ClassVar[str]
    frame: ClassVar[type]
    what: ClassVar[str]
    protocol: ClassVar[str] = ""

    def asks(self, received: Received, frame: Any, book: Book) -> Meaning:
        """(host, event) where the frame asks for a host, else nothing."""
        raise NotImplementedError


class PacketMonitor(DemandMonitor):
    """A packet that is demand by its port. `once`: a held one goes out once only."""

    frame = ip.Packet
    once: ClassVar[bool] = False

    def wants(self, frame: ip.Packet, sleep: Sleep) -> bool:
        """True for one that is demand."""
        raise NotImplementedError

    def asks(self, received: Received, frame: ip.Packet, book: Book) -> Meaning:
        ours = frame.eth_source in book.own_macs
        if ours != received.outgoing or ethernet.is_group(frame.eth_destination):
            return []
        found = book.owner_of(received.segment, frame.destination)
        if found is None:
            return []
        host, address = found
        sleep = book.sleep_of(host)
        if sleep is None or not self.wants(frame, sleep) or book.host_of_card(frame.eth_source) == host:
            return []
        visitor = Visitor(self.what, frame.eth_source, frame.source, frame.source_port, frame.port, received.outgoing)
        # The fragments that follow a first one are not held: alone it would be no use to anybody.
        return [(host, Knock(Held(visitor, address, received.raw, self.once), not frame.first))]
