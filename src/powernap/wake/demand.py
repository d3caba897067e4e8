# SPDX-License-Identifier: GPL-3.0-or-later
"""Which host a frame concerns, and what it means for it. Pure."""

from __future__ import annotations

from typing import NamedTuple

from powernap.net import arp, ethernet, ip, ndp
from powernap.net.checksum import UDP
from powernap.net.frames import Frame
from powernap.shared.ports import contains
from powernap.wake.events import Asked, Claimed, Event, Knock, OwnerSeen, SelfAsked
from powernap.wake.model import Address, Held, Sleep, Visitor

_SSH = 22
_NAT_KEEPALIVE = b"\xff"


class Book:
    """Who owns what: addresses (by segment) and cards, and our own cards."""

    def __init__(self) -> None:
        self.by_address: dict[tuple[str, bytes], tuple[str, Address]] = {}
        self.by_mac: dict[bytes, str] = {}
        self.sleeps: dict[str, Sleep] = {}
        self.own_macs: frozenset[bytes] = frozenset()
        self._entered: dict[str, tuple[tuple[bytes, ...], tuple[Address, ...]]] = {}

    def enter(self, name: str, macs: tuple[bytes, ...], addresses: tuple[Address, ...], sleep: Sleep | None) -> None:
        """Replaces what was known of the host; what another host has entered before goes over to this one."""
        self.remove(name)
        self._entered[name] = (macs, addresses)
        for mac in macs:
            self.by_mac[mac] = name
        for address in addresses:
            self.by_address[address.segment, address.ip] = (name, address)
        if sleep is not None:
            self.sleeps[name] = sleep

    def remove(self, name: str) -> None:
        macs, addresses = self._entered.pop(name, ((), ()))
        for mac in macs:
            if self.by_mac.get(mac) == name:
                del self.by_mac[mac]
        for address in addresses:
            if self.by_address.get((address.segment, address.ip), ("",))[0] == name:
                del self.by_address[address.segment, address.ip]
        self.sleeps.pop(name, None)


class Received(NamedTuple):
    """A frame with where it came from; `outgoing`: from this machine itself. `raw` is kept for the replay."""

    segment: str
    frame: Frame
    raw: bytes
    outgoing: bool = False


Meaning = list[tuple[str, Event]]


def meaning(received: Received, book: Book) -> Meaning:
    """(host, event) for each host that the frame concerns, in the order in which they are to be told."""
    frame = received.frame
    if received.outgoing:
        return _of_own(received, book)
    if isinstance(frame, arp.Arp):
        return _of_arp(received.segment, frame, book)
    if isinstance(frame, ndp.Solicitation):
        return _of_solicitation(received.segment, frame, book)
    if isinstance(frame, ndp.Advertisement):
        return _of_advertisement(received.segment, frame, book)
    if isinstance(frame, ip.Packet):
        return _of_packet(received, frame, book)
    return []


def _of_arp(segment: str, frame: arp.Arp, book: Book) -> Meaning:
    if frame.eth_source in book.own_macs or frame.sha in book.own_macs:
        return []
    found: Meaning = []
    probe = frame.spa == arp.NO_ADDRESS
    # A frame whose two sender addresses differ is no proof of the owner: another wake server gives addresses back so.
    owner = book.by_mac.get(frame.sha) if frame.sha == frame.eth_source else None
    announces = frame.spa == frame.tpa
    if owner is not None:
        found.append((owner, OwnerSeen(None if probe else frame.spa, None if announces else frame.tpa)))
    if not probe and frame.sha == frame.eth_source:
        claimed = book.by_address.get((segment, frame.spa))
        if claimed is not None and claimed[0] != owner:
            found.append((claimed[0], Claimed(claimed[1], frame.sha)))
    if frame.operation == arp.REQUEST and not announces:
        asked = book.by_address.get((segment, frame.tpa))
        if asked is not None and asked[0] != owner and book.by_mac.get(frame.sha) != asked[0]:
            visitor = Visitor("ARP", frame.sha, frame.spa)
            found.append((asked[0], Asked(asked[1], visitor, probe)))
    return found


def _of_solicitation(segment: str, frame: ndp.Solicitation, book: Book) -> Meaning:
    if frame.eth_source in book.own_macs or frame.link_address in book.own_macs:
        return []
    found: Meaning = []
    probe = frame.source == ndp.UNSPECIFIED
    owner = book.by_mac.get(frame.eth_source)
    if owner is not None:
        found.append((owner, OwnerSeen(None if probe else frame.source, frame.target)))
    asked = book.by_address.get((segment, frame.target))
    if asked is not None and asked[0] != owner:
        visitor = Visitor("NS", frame.link_address or frame.eth_source, frame.source)
        found.append((asked[0], Asked(asked[1], visitor, probe)))
    return found


def _of_advertisement(segment: str, frame: ndp.Advertisement, book: Book) -> Meaning:
    if frame.eth_source in book.own_macs or frame.link_address in book.own_macs:
        return []
    owner = book.by_mac.get(frame.eth_source)
    if owner is not None:
        return [(owner, OwnerSeen(frame.target))]
    claimed = book.by_address.get((segment, frame.target))
    # An advertisement for another card's sake (it names the owner's) comes from another wake server.
    if claimed is not None and frame.link_address in (None, frame.eth_source):
        return [(claimed[0], Claimed(claimed[1], frame.eth_source))]
    return []


def _of_own(received: Received, book: Book) -> Meaning:
    """What this machine's kernel sends. The frames that powerwaked sends are not among it: a raw socket does not hear
    itself, and what other segments' sockets send concerns no address of this one.
    """
    segment, frame = received.segment, received.frame
    target, visitor = b"", None
    if isinstance(frame, arp.Arp):
        if (
            frame.operation == arp.REQUEST
            and frame.sha in book.own_macs
            and frame.spa not in (arp.NO_ADDRESS, frame.tpa)
        ):
            target, visitor = frame.tpa, Visitor("ARP", frame.sha, frame.spa, own=True)
    elif isinstance(frame, ndp.Solicitation):
        if frame.eth_source in book.own_macs and frame.source != ndp.UNSPECIFIED:
            target, visitor = frame.target, Visitor("NS", frame.eth_source, frame.source, own=True)
    elif isinstance(frame, ip.Packet) and frame.eth_source in book.own_macs:
        return _knock(received, frame, book)
    asked = book.by_address.get((segment, target))
    return [(asked[0], SelfAsked(asked[1], visitor))] if asked is not None and visitor is not None else []


def _of_packet(received: Received, frame: ip.Packet, book: Book) -> Meaning:
    if frame.eth_source in book.own_macs or ethernet.is_group(frame.eth_destination):
        return []
    owner = book.by_mac.get(frame.eth_source)
    if owner is None:
        return _knock(received, frame, book)
    knock = [(name, event) for name, event in _knock(received, frame, book) if name != owner]
    return [(owner, OwnerSeen(frame.source)), *knock]


def _knock(received: Received, frame: ip.Packet, book: Book) -> Meaning:
    entry = book.by_address.get((received.segment, frame.destination))
    if entry is None:
        return []
    sleep = book.sleeps.get(entry[0])
    what = _demand(frame, sleep) if sleep is not None else None
    if what is None:
        return []
    visitor = Visitor(what, frame.eth_source, frame.source, frame.source_port, frame.port, received.outgoing)
    return [(entry[0], Knock(Held(visitor, entry[1], received.raw, frame.protocol == UDP), True))]


def _demand(frame: ip.Packet, sleep: Sleep) -> str | None:
    """What of a packet is a need for the host: a new connection or datagram to a registered port, or ssh that types."""
    if frame.protocol == UDP:
        return "UDP" if frame.payload != _NAT_KEEPALIVE and contains(sleep.udp, frame.port) else None
    if not contains(sleep.tcp, frame.port):
        return None
    if frame.opens:
        return "TCP SYN"
    types = frame.port == _SSH and frame.payload and not frame.flags & (ip.SYN | ip.RST | ip.FIN)
    return "TCP data" if types else None
