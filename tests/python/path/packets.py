# SPDX-License-Identifier: GPL-3.0-or-later
"""IP packets as the programs meet them."""

from __future__ import annotations

import struct

from tests.python.path.kernel import ASKER, ASKER4, ASKER6, HERE, SLEEPER4, SLEEPER6

from powernap.net import checksum, ethernet, ip


def packet(protocol: int, body: bytes, six: bool = False, mac: bytes = ASKER, to: bytes = HERE) -> bytes:
    """With right checksums but ICMPv4's."""
    if six:
        at = {6: 16, 17: 6, 58: 2}.get(protocol)
        if at is not None and len(body) >= at + 2:
            body = body[:at] + b"\0\0" + body[at + 2 :]
            value = checksum.checksum(checksum.pseudo_header(ASKER6, SLEEPER6, protocol, len(body)) + body)
            body = body[:at] + struct.pack("!H", value) + body[at + 2 :]
        head = struct.pack("!IHBB", 6 << 28, len(body), protocol, 64) + ASKER6 + SLEEPER6
        return ethernet.header(to, mac, ethernet.IPV6) + head + body
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), 1, 0, 64, protocol, 0) + ASKER4 + SLEEPER4
    head = head[:10] + struct.pack("!H", checksum.checksum(head)) + head[12:]
    return ethernet.header(to, mac, ethernet.IPV4) + head + body


def tcp(port: int, flags: int = ip.SYN, data: bytes = b"", options: bytes = b"") -> bytes:
    words = 5 + len(options) // 4
    return struct.pack("!HHIIBBHHH", 40000, port, 1, 0, words << 4, flags, 1024, 0, 0) + options + data


def udp(port: int, data: bytes) -> bytes:
    return struct.pack("!HHHH", 40000, port, 8 + len(data), 0) + data


def fragment(frame: bytes, field: int, udp_bytes: int) -> bytes:
    """An IPv4 packet without options as a fragment: `field` has flags and offset, `udp_bytes` is UDP's own length."""
    head = frame[14:20] + struct.pack("!H", field) + frame[22:24] + bytes(2) + frame[26:34]
    head = head[:10] + struct.pack("!H", checksum.checksum(head)) + head[12:]
    return frame[:14] + head + frame[34:38] + struct.pack("!H", udp_bytes) + frame[40:]


def fragment6(frame: bytes, field: int, udp_bytes: int) -> bytes:
    """An IPv6 packet as a fragment: `field` has offset and M, `udp_bytes` is UDP's own length."""
    body = (
        bytes((frame[20], 0)) + struct.pack("!HI", field, 1) + frame[54:58] + struct.pack("!H", udp_bytes) + frame[60:]
    )
    return frame[:18] + struct.pack("!HB", len(body), ip.FRAGMENT_HEADER) + frame[21:54] + body
