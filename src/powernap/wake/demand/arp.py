# SPDX-License-Identifier: GPL-3.0-or-later
"""ARP: who has an address of a sleeper (RFC 826), or wants it (RFC 5227)?"""

from __future__ import annotations

from powernap.net import arp
from powernap.wake.demand.base import DemandMonitor, Meaning, Received
from powernap.wake.demand.book import Book
from powernap.wake.events import Asked, SelfAsked
from powernap.wake.model import Visitor


class ArpMonitor(DemandMonitor):
    name = "arp"
    frame = arp.Arp
    what = "ARP"

    def asks(self, received: Received, frame: arp.Arp, book: Book) -> Meaning:
        announces = frame.spa == frame.tpa
        if frame.operation != arp.REQUEST or announces:
            return []
        probe = frame.spa == arp.NO_ADDRESS
        found = book.owner_of(received.segment, frame.tpa)
        if found is None:
            return []
        host, address = found
        visitor = Visitor(self.what, frame.sha, frame.spa, own=received.outgoing)
        if received.outgoing:
            # A frame of another card's is bridged, from somebody behind this machine.
            ours = frame.sha in book.own_macs and frame.eth_source in book.own_macs
            return [(host, SelfAsked(address, visitor))] if ours and not probe else []
        by_itself = host in (book.host_of_card(frame.sha), book.host_of_card(frame.eth_source))
        return [] if by_itself else [(host, Asked(address, visitor, probe))]
