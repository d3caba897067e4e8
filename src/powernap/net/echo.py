# SPDX-License-Identifier: GPL-3.0-or-later
"""The answer to an echo request (RFC 792, RFC 4443), for a machine that sleeps."""

from __future__ import annotations

import struct

from powernap.net import ethernet
from powernap.net.checksum import ICMPV6, checksum, pseudo_header

_ICMP = 1
_TTL = 64
_REQUEST, _REPLY = 8, 0
_REQUEST6, _REPLY6 = 128, 129


def reply(frame: bytes, mac: bytes) -> bytes | None:
    """The frame that answers `frame`, from our card `mac` in the name of the address asked.

    None where it is not a whole, unfragmented echo request without IPv6 extension headers.
    """
    kind = frame[12:14]
    if kind == b"\x08\x00":
        return _reply4(frame, mac)
    return _reply6(frame, mac) if kind == b"\x86\xdd" else None


def _reply4(frame: bytes, mac: bytes) -> bytes | None:
    if len(frame) < ethernet.HEADER + 28 or frame[14] >> 4 != 4:
        return None
    start = ethernet.HEADER + (frame[14] & 15) * 4
    end = ethernet.HEADER + int.from_bytes(frame[16:18], "big")
    whole = not int.from_bytes(frame[20:22], "big") & 0x3FFF
    if not whole or not ethernet.HEADER + 20 <= start <= end - 8 or end > len(frame):
        return None
    if frame[23] != _ICMP or frame[start] != _REQUEST or frame[start + 1]:
        return None
    echo = bytes((_REPLY, 0, 0, 0)) + frame[start + 4 : end]
    echo = echo[:2] + struct.pack("!H", checksum(echo)) + echo[4:]
    # Without the request's options, such as a route that it recorded.
    head = struct.pack("!BBHHHBBH", 0x45, frame[15], 20 + len(echo), 0, 0, _TTL, _ICMP, 0) + frame[30:34] + frame[26:30]
    head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
    return ethernet.header(frame[6:12], mac, ethernet.IPV4) + head + echo


def _reply6(frame: bytes, mac: bytes) -> bytes | None:
    start = ethernet.HEADER + 40
    end = start + int.from_bytes(frame[18:20], "big")
    if len(frame) < start + 8 or frame[14] >> 4 != 6 or end > len(frame) or end < start + 8:
        return None
    if frame[20] != ICMPV6 or frame[start] != _REQUEST6 or frame[start + 1]:
        return None
    source, destination = frame[38:54], frame[22:38]
    echo = bytes((_REPLY6, 0, 0, 0)) + frame[start + 4 : end]
    value = checksum(pseudo_header(source, destination, ICMPV6, len(echo)) + echo)
    echo = echo[:2] + struct.pack("!H", value) + echo[4:]
    head = frame[14:18] + struct.pack("!HBB", len(echo), ICMPV6, _TTL) + source + destination
    return ethernet.header(frame[6:12], mac, ethernet.IPV6) + head + echo
