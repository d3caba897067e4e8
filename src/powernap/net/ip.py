# SPDX-License-Identifier: GPL-3.0-or-later
"""TCP segments, UDP datagrams and echo requests in IPv4 and IPv6: what a knock at a sleeper's door looks like."""

from __future__ import annotations

from typing import NamedTuple

from powernap.net import ethernet
from powernap.net.checksum import ICMPV6, TCP, UDP, is_valid

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
BAD, FORGED, FRAGMENT, EXTENSION, OTHER = "bad ip", "forged", "fragment", "extension headers", "other"
_ICMP = 1
_ECHO_REQUESTS = {_ICMP: 8, ICMPV6: 128}
#: Hop-by-hop options, routing, ESP, AH, destination options, mobility, HIP, shim6 (RFC 7045), beside the fragment's 44.
_EXTENSIONS = frozenset((0, 43, 50, 51, 60, 135, 139, 140))
FRAGMENT_HEADER = 44
FRAGMENT_BYTES = 8
_MORE, _OFFSET = 0x2000, 0x1FFF  # RFC 791 section 3.1: more fragments; fragment offset
MORE6, OFFSET6 = 0x0001, 0xFFF8  # RFC 8200 section 4.5


class Packet(NamedTuple):
    """One TCP segment or UDP datagram. Addresses are 4 or 16 bytes; `flags` is 0 for UDP.

    `first`: it is the first fragment of a datagram, with as much of its payload as there is.
    """

    eth_source: bytes
    eth_destination: bytes
    protocol: int
    source: bytes
    source_port: int
    destination: bytes
    port: int
    flags: int
    payload: bytes
    first: bool = False

    @property
    def opens(self) -> bool:
        """The first segment of a TCP connection: SYN without ACK, RST and FIN."""
        return self.protocol == TCP and self.flags & (SYN | ACK | RST | FIN) == SYN


class Echo(NamedTuple):
    """An echo request (ping), whole and unfragmented."""

    eth_source: bytes
    eth_destination: bytes
    source: bytes
    destination: bytes


def parse(frame: bytes) -> Packet | Echo | str:
    """A text says why it is none: it is not whole, a fragment without ports, or nothing of the kind."""
    if frame[12:14] == b"\x08\x00":
        return _parse_ipv4(frame)
    return _parse_ipv6(frame)


def _parse_ipv4(frame: bytes) -> Packet | Echo | str:
    if len(frame) < ethernet.HEADER + 20 or frame[14] >> 4 != 4:
        return BAD
    start = ethernet.HEADER + (frame[14] & 15) * 4
    end = ethernet.HEADER + int.from_bytes(frame[16:18], "big")
    # The header's checksum is never left to the card on reception.
    if start < ethernet.HEADER + 20 or end > len(frame) or start > end or not is_valid(frame[14:start]):
        return BAD
    source, destination = frame[26:30], frame[30:34]
    # This network (RFC 1122 3.2.1.3), loopback, multicast, reserved and broadcast; and one that writes to itself.
    if source[0] in (0, 127) or source[0] >= 224 or source == destination:
        return FORGED
    fragment = int.from_bytes(frame[20:22], "big") & (_MORE | _OFFSET)
    if fragment and (fragment != _MORE or frame[23] != UDP):
        return FRAGMENT
    return _parse_transport(frame, frame[23], source, destination, start, end, bool(fragment))


def _parse_ipv6(frame: bytes) -> Packet | Echo | str:
    """Extension headers are refused: no ordinary connection begins with one, and a router may hide it from others.

    But for that of a datagram's first fragment, where it is the only one.
    """
    if len(frame) < ethernet.HEADER + 40 or frame[14] >> 4 != 6:
        return BAD
    start = ethernet.HEADER + 40
    end = start + int.from_bytes(frame[18:20], "big")
    if end > len(frame):
        return BAD
    source, destination = frame[22:38], frame[38:54]
    if source[0] == 0xFF or not any(source[:15]) or source == destination:  # multicast, :: and ::1
        return FORGED
    if frame[20] == FRAGMENT_HEADER:
        if end - start < FRAGMENT_BYTES:
            return BAD
        fragment = int.from_bytes(frame[start + 2 : start + 4], "big") & (MORE6 | OFFSET6)
        if fragment != MORE6 or frame[start] != UDP:
            return FRAGMENT
        return _parse_transport(frame, UDP, source, destination, start + FRAGMENT_BYTES, end, True)
    if frame[20] in _EXTENSIONS:
        return EXTENSION
    return _parse_transport(frame, frame[20], source, destination, start, end)


def _parse_transport(
    frame: bytes, protocol: int, source: bytes, destination: bytes, start: int, end: int, first: bool = False
) -> Packet | Echo | str:
    if protocol == (_ICMP if len(source) == 4 else ICMPV6):
        if end - start < 8:
            return BAD
        wanted = frame[start] == _ECHO_REQUESTS[protocol] and not frame[start + 1]
        return Echo(frame[6:12], frame[:6], source, destination) if wanted else OTHER
    if protocol == TCP:
        if end - start < 20:
            return BAD
        data = start + (frame[start + 12] >> 4) * 4
        if data < start + 20 or data > end:
            return BAD
        flags = frame[start + 13]
    elif protocol == UDP:
        if end - start < 8:
            return BAD
        length = int.from_bytes(frame[start + 4 : start + 6], "big")
        if length < 8 or (start + length > end) is not first:  # the rest of a datagram is in other fragments
            return BAD
        data, end, flags = start + 8, min(end, start + length), 0
    else:
        return OTHER
    return Packet(
        frame[6:12],
        frame[:6],
        protocol,
        source,
        int.from_bytes(frame[start : start + 2], "big"),
        destination,
        int.from_bytes(frame[start + 2 : start + 4], "big"),
        flags,
        frame[data:end],
        first,
    )
