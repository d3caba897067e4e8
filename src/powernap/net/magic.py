# SPDX-License-Identifier: GPL-3.0-or-later
"""Frames that carry a magic packet: EtherType 0x0842, and UDP broadcast for what only wakes on that."""

from __future__ import annotations

import struct

from powernap.net import ethernet
from powernap.net.checksum import UDP, checksum, pseudo_header

_EVERYBODY = b"\xff" * 4


def ethernet_frame(payload: bytes, source: bytes, destination: bytes = ethernet.BROADCAST) -> bytes:
    return ethernet.header(destination, source, ethernet.MAGIC) + payload


def udp_frame(
    payload: bytes,
    source: bytes,
    source_address: bytes,
    port: int = 9,
    address: bytes = _EVERYBODY,
    destination: bytes = ethernet.BROADCAST,
) -> bytes:
    """By default to 255.255.255.255, which no router passes on. `source_address` may be 0.0.0.0."""
    length = 8 + len(payload)
    ports = struct.pack("!HHH", port, port, length)
    value = checksum(pseudo_header(source_address, address, UDP, length) + ports + b"\0\0" + payload) or 0xFFFF
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + length, 0, 0, 64, UDP, 0) + source_address + address
    head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
    return ethernet.header(destination, source, ethernet.IPV4) + head + ports + struct.pack("!H", value) + payload
