# SPDX-License-Identifier: GPL-3.0-or-later
"""TCP: a new connection to a port that the host registered."""

from __future__ import annotations

from powernap.net import ip
from powernap.shared.ports import contains
from powernap.wake.demand.base import PacketMonitor
from powernap.wake.model import Sleep


class TcpSynMonitor(PacketMonitor):
    name = "tcp_syn"
    what = "TCP SYN"
    protocol = "tcp"

    def wants(self, frame: ip.Packet, sleep: Sleep) -> bool:
        return frame.opens and contains(sleep.tcp, frame.port)
