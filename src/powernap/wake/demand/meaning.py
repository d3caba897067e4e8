# SPDX-License-Identifier: GPL-3.0-or-later
"""Which hosts a frame concerns, and what it means for them. Pure."""

from __future__ import annotations

from powernap.net import arp, ethernet, ip, ndp
from powernap.net.frames import Dropped, Frame
from powernap.wake.demand import MONITORS
from powernap.wake.demand.base import DemandMonitor, Meaning, Received
from powernap.wake.demand.book import Book
from powernap.wake.demand.echo import pings
from powernap.wake.demand.sightings import sightings

_BY_FRAME: dict[type, tuple[DemandMonitor, ...]] = {
    kind: tuple(monitor for monitor in MONITORS if monitor.frame is kind)
    for kind in {monitor.frame for monitor in MONITORS}
}


def meaning(received: Received, book: Book) -> Meaning:
    """(host, event) for each host that the frame concerns, in the order in which they are to be told.

    Of what this machine itself sends, only its kernel's frames are heard: a raw socket does not hear itself, and what
    other segments' sockets send concerns no address of this one.
    """
    frame = received.frame
    found: Meaning = []
    if not received.outgoing:
        if _is_ours(frame, book):
            return []
        found = sightings(received.segment, frame, book)
        if isinstance(frame, ip.Echo):
            found += pings(received, frame, book)
    for monitor in _BY_FRAME.get(type(frame), ()):
        found += monitor.asks(received, frame, book)
    return found


def _is_ours(frame: Frame, book: Book) -> bool:
    """Our own frame, heard on another card; a packet to a group concerns nobody either."""
    if isinstance(frame, Dropped):
        return True
    if isinstance(frame, arp.Arp):
        return frame.eth_source in book.own_macs or frame.sha in book.own_macs
    if isinstance(frame, (ip.Packet, ip.Echo)):
        return frame.eth_source in book.own_macs or ethernet.is_group(frame.eth_destination)
    assert isinstance(frame, (ndp.Solicitation, ndp.Advertisement))
    return frame.eth_source in book.own_macs or frame.link_address in book.own_macs
