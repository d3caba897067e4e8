# SPDX-License-Identifier: GPL-3.0-or-later
"""Neighbour discovery for IPv6 (RFC 4861): neighbour solicitations (NS) and advertisements (NA)."""

from __future__ import annotations

import struct
from typing import NamedTuple

from powernap.net import ethernet
from powernap.net.checksum import ICMPV6, checksum, is_valid, pseudo_header

SOLICITATION, ADVERTISEMENT = 135, 136
UNSPECIFIED = bytes(16)
ALL_NODES = bytes.fromhex("ff020000000000000000000000000001")
_SOLICITED_NODE = bytes.fromhex("ff0200000000000000000001ff")
_SOURCE_OPTION, _TARGET_OPTION = 1, 2
_ROUTER, _SOLICITED, _OVERRIDE = 0x80, 0x40, 0x20
_ICMP_AT = ethernet.HEADER + 40


class Solicitation(NamedTuple):
    """Who has `target`? The source is UNSPECIFIED in duplicate-address detection."""

    eth_source: bytes
    source: bytes
    target: bytes
    link_address: bytes | None


class Advertisement(NamedTuple):
    eth_source: bytes
    source: bytes
    target: bytes
    link_address: bytes | None
    solicited: bool
    override: bool


def solicited_node(address: bytes) -> bytes:
    """The multicast group on which an owner of the address listens (RFC 4291 section 2.7.1)."""
    return _SOLICITED_NODE + address[13:]


def multicast_mac(group: bytes) -> bytes:
    return b"\x33\x33" + group[12:]


def parse(frame: bytes) -> Solicitation | Advertisement | None:
    """None where RFC 4861 section 7.1 tells the receiver to discard it (length, hop limit, checksum, options)."""
    if len(frame) < _ICMP_AT + 24 or frame[14] >> 4 != 6 or frame[20] != ICMPV6 or frame[21] != 255:
        return None
    end = _ICMP_AT + int.from_bytes(frame[18:20], "big")
    if end > len(frame) or end < _ICMP_AT + 24:
        return None
    source, destination, body = frame[22:38], frame[38:54], frame[_ICMP_AT:end]
    kind, target = body[0], body[8:24]
    if body[1] or target[0] == 0xFF or source[0] == 0xFF or ethernet.is_group(frame[6:12]):
        return None
    if not is_valid(pseudo_header(source, destination, ICMPV6, len(body)) + body):
        return None
    options = _options(body[24:])
    if options is None:
        return None
    if kind == SOLICITATION:
        link = options.get(_SOURCE_OPTION)
        if source == UNSPECIFIED and (link is not None or destination != solicited_node(target)):
            return None
        return Solicitation(frame[6:12], source, target, link)
    if kind == ADVERTISEMENT:
        flags = body[4]
        if flags & _SOLICITED and destination[0] == 0xFF:
            return None
        link = options.get(_TARGET_OPTION)
        return Advertisement(frame[6:12], source, target, link, bool(flags & _SOLICITED), bool(flags & _OVERRIDE))
    return None


def _options(data: bytes) -> dict[int, bytes] | None:
    """Option type -> link-layer address; None where one has no length, runs past the end or is no card's."""
    found: dict[int, bytes] = {}
    while data:
        if len(data) < 8 or data[1] == 0 or len(data) < data[1] * 8:
            return None
        if data[0] in (_SOURCE_OPTION, _TARGET_OPTION) and data[1] == 1:
            if ethernet.is_group(data[2:8]):
                return None
            found[data[0]] = data[2:8]
        data = data[data[1] * 8 :]
    return found


def _frame(destination_mac: bytes, source_mac: bytes, source: bytes, destination: bytes, body: bytes) -> bytes:
    value = checksum(pseudo_header(source, destination, ICMPV6, len(body)) + body)
    return (
        ethernet.header(destination_mac, source_mac, ethernet.IPV6)
        + struct.pack("!IHBB", 6 << 28, len(body), ICMPV6, 255)
        + source
        + destination
        + body[:2]
        + struct.pack("!H", value)
        + body[4:]
    )


def solicitation(mac: bytes, source: bytes, target: bytes, destination_mac: bytes | None = None) -> bytes:
    """To the solicited-node group; to `destination_mac` alone where that is given."""
    body = struct.pack("!BBHI", SOLICITATION, 0, 0, 0) + target
    if source != UNSPECIFIED:
        body += struct.pack("!BB", _SOURCE_OPTION, 1) + mac
    group = solicited_node(target)
    return _frame(destination_mac or multicast_mac(group), mac, source, group, body)


def _advertisement(target: bytes, owner: bytes, flags: int) -> bytes:
    head = struct.pack("!BBHI", ADVERTISEMENT, 0, 0, flags << 24)
    return head + target + struct.pack("!BB", _TARGET_OPTION, 1) + owner


def answer(mac: bytes, source: bytes, target: bytes, to_mac: bytes, to_address: bytes) -> bytes:
    """The advertisement that answers a solicitation; one from UNSPECIFIED is answered to all (RFC 4861 7.2.4).

    Override is set: without it a neighbour that still knows the sleeper's MAC would keep it.
    """
    if to_address == UNSPECIFIED:
        return announcement(mac, source, mac, target)
    return _frame(to_mac, mac, source, to_address, _advertisement(target, mac, _SOLICITED | _OVERRIDE))


def announcement(eth_source: bytes, source: bytes, owner: bytes, target: bytes) -> bytes:
    """Unsolicited advertisement with Override to all nodes: `target` is at `owner`."""
    return _frame(ethernet.ALL_NODES_MAC, eth_source, source, ALL_NODES, _advertisement(target, owner, _OVERRIDE))
