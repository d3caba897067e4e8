# SPDX-License-Identifier: GPL-3.0-or-later
"""ARP for IPv4 over Ethernet (RFC 826, RFC 5227): frames to bytes and back."""

from __future__ import annotations

import struct
from typing import NamedTuple

from powernap.net import ethernet

REQUEST, REPLY = 1, 2
NO_ADDRESS = bytes(4)
_FIXED = struct.pack("!HHBB", 1, ethernet.IPV4, 6, 4)
_LENGTH = ethernet.HEADER + 28


class Arp(NamedTuple):
    """One ARP frame; names as in RFC 826 (sha: sender's hardware address, tpa: target's protocol address)."""

    eth_source: bytes
    eth_destination: bytes
    operation: int
    sha: bytes
    spa: bytes
    tha: bytes
    tpa: bytes

    def to_bytes(self) -> bytes:
        return (
            ethernet.header(self.eth_destination, self.eth_source, ethernet.ARP)
            + _FIXED
            + struct.pack("!H", self.operation)
            + self.sha
            + self.spa
            + self.tha
            + self.tpa
        )


def parse(frame: bytes) -> Arp | None:
    """None where it is not a whole, well-formed ARP request or reply for IPv4 over Ethernet."""
    if len(frame) < _LENGTH or frame[14:20] != _FIXED:
        return None
    operation = frame[21]
    if frame[20] or operation not in (REQUEST, REPLY):
        return None
    if ethernet.is_group(frame[22:28]) or frame[22:28] == ethernet.ZERO:
        return None
    return Arp(frame[6:12], frame[:6], operation, frame[22:28], frame[28:32], frame[32:38], frame[38:42])


def request(mac: bytes, source: bytes, target: bytes, destination: bytes = ethernet.BROADCAST) -> bytes:
    """Who has `target`? With source NO_ADDRESS this is the probe of RFC 5227."""
    return Arp(mac, destination, REQUEST, mac, source, ethernet.ZERO, target).to_bytes()


def answer(mac: bytes, address: bytes, to_mac: bytes, to_address: bytes) -> bytes:
    return Arp(mac, to_mac, REPLY, mac, address, to_mac, to_address).to_bytes()


def announcement(eth_source: bytes, owner: bytes, address: bytes) -> bytes:
    """`address` is at `owner`, told to all in request form.

    Linux takes a request's word at once, but ignores an unsolicited reply for one second after the last change
    (locktime). The Ethernet source may differ from the owner, so that no switch learns a port for the owner's MAC.
    """
    return Arp(eth_source, ethernet.BROADCAST, REQUEST, owner, address, ethernet.ZERO, address).to_bytes()
