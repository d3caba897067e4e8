# SPDX-License-Identifier: GPL-3.0-or-later
"""IPv6 neighbour solicitation: who has an address of a sleeper (RFC 4861), or wants it (RFC 4862)?"""

from __future__ import annotations

from powernap.net import ndp
from powernap.wake.demand.base import DemandMonitor, Meaning, Received
from powernap.wake.demand.book import Book
from powernap.wake.events import Asked, SelfAsked
from powernap.wake.model import Visitor


class SolicitationMonitor(DemandMonitor):
    name = "neighbour_solicitation"
    frame = ndp.Solicitation
    what = "NS"

    def asks(self, received: Received, frame: ndp.Solicitation, book: Book) -> Meaning:
        probe = frame.source == ndp.UNSPECIFIED
        found = book.owner_of(received.segment, frame.target)
        if found is None:
            return []
        host, address = found
        if received.outgoing:
            if probe or frame.eth_source not in book.own_macs:
                return []
            return [(host, SelfAsked(address, Visitor(self.what, frame.eth_source, frame.source, own=True)))]
        card = frame.link_address or frame.eth_source
        if host in (book.host_of_card(card), book.host_of_card(frame.eth_source)):
            return []
        return [(host, Asked(address, Visitor(self.what, card, frame.source), probe))]
