# SPDX-License-Identifier: GPL-3.0-or-later
"""TCP segments and UDP datagrams in IPv4 and IPv6: what a knock at a sleeper's door looks like."""

from __future__ import annotations

from typing import NamedTuple

from powernap.net import ethernet
from powernap.net.checksum import TCP, UDP, is_valid

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16


class Packet(NamedTuple):
    """One TCP segment or UDP datagram. Addresses are 4 or 16 bytes; `flags` is 0 for UDP."""

    eth_source: bytes
    eth_destination: bytes
    protocol: int
    source: bytes
    source_port: int
    destination: bytes
    port: int
    flags: int
    payload: bytes

    @property
    def opens(self) -> bool:
        """The first segment of a TCP connection: SYN without ACK, RST and FIN."""
        return self.protocol == TCP and self.flags & (SYN | ACK | RST | FIN) == SYN


def parse(frame: bytes) -> Packet | None:
    """None where it is not a whole, unfragmented TCP or UDP packet with a right IP header."""
    if frame[12:14] == b"\x08\x00":
        return _parse_ipv4(frame)
    return _parse_ipv6(frame)


def _parse_ipv4(frame: bytes) -> Packet | None:
    if len(frame) < ethernet.HEADER + 20 or frame[14] >> 4 != 4:
        return None
    start = ethernet.HEADER + (frame[14] & 15) * 4
    end = ethernet.HEADER + int.from_bytes(frame[16:18], "big")
    if start < ethernet.HEADER + 20 or end > len(frame) or start > end:
        return None
    # 0x3fff: more fragments, or an offset. The header's checksum is never left to the card on reception.
    if int.from_bytes(frame[20:22], "big") & 0x3FFF or not is_valid(frame[14:start]):
        return None
    return _parse_transport(frame, frame[23], frame[26:30], frame[30:34], start, end)


def _parse_ipv6(frame: bytes) -> Packet | None:
    """Extension headers are refused: no ordinary connection begins with one."""
    if len(frame) < ethernet.HEADER + 40 or frame[14] >> 4 != 6:
        return None
    start = ethernet.HEADER + 40
    end = start + int.from_bytes(frame[18:20], "big")
    if end > len(frame):
        return None
    return _parse_transport(frame, frame[20], frame[22:38], frame[38:54], start, end)


def _parse_transport(
    frame: bytes, protocol: int, source: bytes, destination: bytes, start: int, end: int
) -> Packet | None:
    if protocol == TCP:
        if end - start < 20:
            return None
        data = start + (frame[start + 12] >> 4) * 4
        if data < start + 20 or data > end:
            return None
        flags = frame[start + 13]
    elif protocol == UDP:
        if end - start < 8:
            return None
        length = int.from_bytes(frame[start + 4 : start + 6], "big")
        if length < 8 or start + length > end:
            return None
        data, end, flags = start + 8, start + length, 0
    else:
        return None
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
    )
