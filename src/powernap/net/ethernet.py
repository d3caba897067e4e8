# SPDX-License-Identifier: GPL-3.0-or-later
"""Ethernet: types, well-known addresses and the 14-byte header."""

from __future__ import annotations

import struct

ARP = 0x0806
IPV4 = 0x0800
IPV6 = 0x86DD
MAGIC = 0x0842
VLAN_TAGS = frozenset((0x8100, 0x88A8))

HEADER = 14
BROADCAST = b"\xff" * 6
ZERO = bytes(6)
ALL_NODES_MAC = bytes.fromhex("333300000001")


def header(destination: bytes, source: bytes, ethertype: int) -> bytes:
    return destination + source + struct.pack("!H", ethertype)


def is_group(mac: bytes) -> bool:
    """Broadcast or multicast: never somebody's own address."""
    return bool(mac[0] & 1)
