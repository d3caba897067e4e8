# SPDX-License-Identifier: GPL-3.0-or-later
"""Echo requests: no demand, but answered for a host that wants it so."""

from __future__ import annotations

from powernap.net import ip
from powernap.wake.demand.base import Meaning, Received
from powernap.wake.demand.book import Book
from powernap.wake.events import Pinged
from powernap.wake.model import Visitor


def pings(received: Received, frame: ip.Echo, book: Book) -> Meaning:
    """(host, Pinged) where somebody else asks whether a host that is to be answered for is there."""
    found = book.owner_of(received.segment, frame.destination)
    if found is None or book.host_of_card(frame.eth_source) == found[0]:
        return []
    host, address = found
    sleep = book.sleep_of(host)
    if sleep is None or not sleep.pings:
        return []
    return [(host, Pinged(address, Visitor("echo request", frame.eth_source, frame.source), received.raw))]
