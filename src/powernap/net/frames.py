# SPDX-License-Identifier: GPL-3.0-or-later
"""One captured Ethernet frame to what it means. Strict: what is not whole and well-formed is dropped with a reason."""

from __future__ import annotations

from typing import NamedTuple

from powernap.net import arp, ethernet, ip, ndp

MAXIMUM = ethernet.HEADER + 0xFFFF + 40
_NEIGHBOUR_DISCOVERY = (bytes((ndp.SOLICITATION,)), bytes((ndp.ADVERTISEMENT,)))


class Dropped(NamedTuple):
    """A frame that means nothing to us, and why: the name of a counter."""

    reason: str


Frame = arp.Arp | ndp.Solicitation | ndp.Advertisement | ip.Packet | ip.Echo | Dropped


def parse(frame: bytes, vlan: int = 0) -> Frame:
    """`vlan` is the VLAN id that the kernel stripped from the frame (0: none). Never raises."""
    if len(frame) < ethernet.HEADER:
        return Dropped("truncated")
    if len(frame) > MAXIMUM:
        return Dropped("oversized")
    ethertype = int.from_bytes(frame[12:14], "big")
    if vlan or ethertype in ethernet.VLAN_TAGS:
        return Dropped("vlan")
    if ethernet.is_group(frame[6:12]) or frame[6:12] == ethernet.ZERO:
        return Dropped(ip.FORGED)
    if ethertype == ethernet.ARP:
        return arp.parse(frame) or Dropped("bad arp")
    if ethertype == ethernet.IPV6 and frame[20:21] == b"\x3a" and frame[54:55] in _NEIGHBOUR_DISCOVERY:
        return ndp.parse(frame) or Dropped("bad neighbour discovery")
    if ethertype in (ethernet.IPV4, ethernet.IPV6):
        parsed = ip.parse(frame)
        return Dropped(parsed) if isinstance(parsed, str) else parsed
    return Dropped(ip.OTHER)
