# SPDX-License-Identifier: GPL-3.0-or-later
"""What a frame tells of its sender: that it is a host of ours, or that it claims the address of one. Pure."""

from __future__ import annotations

from powernap.net import arp, ndp
from powernap.net.frames import Dropped, Frame
from powernap.wake.demand.base import Meaning
from powernap.wake.demand.book import Book
from powernap.wake.events import Claimed, OwnerSeen


def sightings(segment: str, frame: Frame, book: Book) -> Meaning:
    """(host, event) for the host that sends and for the one whose address is claimed."""
    if isinstance(frame, arp.Arp):
        return _of_arp(segment, frame, book)
    if isinstance(frame, ndp.Advertisement):
        return _of_advertisement(segment, frame, book)
    if isinstance(frame, Dropped):
        return []
    owner = book.host_of_card(frame.eth_source)
    if owner is None:
        return []
    if isinstance(frame, ndp.Solicitation):
        return [(owner, OwnerSeen(None if frame.source == ndp.UNSPECIFIED else frame.source, frame.target))]
    return [(owner, OwnerSeen(frame.source))]


def _of_arp(segment: str, frame: arp.Arp, book: Book) -> Meaning:
    if frame.sha != frame.eth_source:
        # No proof of the owner, nor a claim: another wake server gives addresses back so.
        return []
    found: Meaning = []
    probe, announces = frame.spa == arp.NO_ADDRESS, frame.spa == frame.tpa
    owner = book.host_of_card(frame.sha)
    if owner is not None:
        answers = frame.operation == arp.REPLY and not announces
        found.append((owner, OwnerSeen(None if probe else frame.spa, None if announces else frame.tpa, answers)))
    claimed = None if probe else book.owner_of(segment, frame.spa)
    if claimed is not None and claimed[0] != owner:
        found.append((claimed[0], Claimed(claimed[1], frame.sha)))
    return found


def _of_advertisement(segment: str, frame: ndp.Advertisement, book: Book) -> Meaning:
    owner = book.host_of_card(frame.eth_source)
    if owner is not None:
        return [(owner, OwnerSeen(frame.target, answers=frame.solicited))]
    claimed = book.owner_of(segment, frame.target)
    # An advertisement for another card's sake (it names the owner's) comes from another wake server.
    if claimed is not None and frame.link_address in (None, frame.eth_source):
        return [(claimed[0], Claimed(claimed[1], frame.eth_source))]
    return []
