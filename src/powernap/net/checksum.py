# SPDX-License-Identifier: GPL-3.0-or-later
"""The Internet checksum (RFC 1071), and completing one that the sender's kernel had left to the network card."""

from __future__ import annotations

import struct

from powernap.net import ethernet

TCP, UDP, ICMPV6 = 6, 17, 58
_FIELD = {TCP: 16, UDP: 6}


def checksum(data: bytes) -> int:
    """One's complement of the one's complement sum of 16-bit words.

    That sum is the number itself modulo 0xffff, which Python computes in C; only a sum of 0xffff looks like 0 then.
    """
    number = int.from_bytes(data if len(data) % 2 == 0 else data + b"\0", "big")
    total = number % 0xFFFF
    if total == 0 and number:
        total = 0xFFFF
    return 0xFFFF - total


def is_valid(data: bytes) -> bool:
    """True where the data contains its own right checksum."""
    return checksum(data) == 0


def pseudo_header(source: bytes, destination: bytes, protocol: int, length: int) -> bytes:
    """RFC 793 for 4-byte addresses, RFC 8200 section 8.1 for 16-byte ones."""
    if len(source) == 4:
        return source + destination + struct.pack("!BBH", 0, protocol, length)
    return source + destination + struct.pack("!IHBB", length, 0, 0, protocol)


def complete(frame: bytes) -> bytes:
    """The frame with its TCP or UDP checksum computed.

    A frame captured from veth or virtio carries only the pseudo-header's sum (TP_STATUS_CSUMNOTREADY); the receiver
    of a replayed one would drop it. Frames of other kinds, fragments and truncated frames come back as they are.
    """
    kind = frame[12:14]
    if kind == b"\x08\x00" and len(frame) >= 34:
        start = 14 + (frame[14] & 15) * 4
        end = 14 + int.from_bytes(frame[16:18], "big")
        protocol, source, destination = frame[23], frame[26:30], frame[30:34]
        fragment = int.from_bytes(frame[20:22], "big") & 0x3FFF
    elif kind == b"\x86\xdd" and len(frame) >= 54:
        start = 54
        end = 54 + int.from_bytes(frame[18:20], "big")
        protocol, source, destination, fragment = frame[20], frame[22:38], frame[38:54], 0
    else:
        return frame
    field = _FIELD.get(protocol)
    if field is None or fragment or end > len(frame) or end - start < field + 2 or start < ethernet.HEADER + 20:
        return frame
    at = start + field
    segment = frame[start:at] + b"\0\0" + frame[at + 2 : end]
    value = checksum(pseudo_header(source, destination, protocol, len(segment)) + segment)
    if protocol == UDP and value == 0:
        value = 0xFFFF
    return frame[:at] + struct.pack("!H", value) + frame[at + 2 :]
