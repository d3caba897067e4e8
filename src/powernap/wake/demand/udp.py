# SPDX-License-Identifier: GPL-3.0-or-later
"""UDP: a datagram to a port that the host registered."""

from __future__ import annotations

from powernap.net import ip
from powernap.net.checksum import UDP
from powernap.shared.ports import contains
from powernap.wake.demand.base import PacketMonitor
from powernap.wake.model import Sleep

_NAT_KEEPALIVE = b"\xff"  # RFC 3948 section 2.3


class UdpMonitor(PacketMonitor):
    name = "udp"
    what = "UDP"
    protocol = "udp"
    once = True

    def wants(self, frame: ip.Packet, sleep: Sleep) -> bool:
        keepalive = frame.payload == _NAT_KEEPALIVE and not frame.first
        return frame.protocol == UDP and not keepalive and contains(sleep.udp, frame.port)
