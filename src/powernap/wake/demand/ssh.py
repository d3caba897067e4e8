# SPDX-License-Identifier: GPL-3.0-or-later
"""ssh: somebody types in a connection that was open when the host went to sleep."""

from __future__ import annotations

from powernap.net import ip
from powernap.net.checksum import TCP
from powernap.shared.ports import contains
from powernap.wake.demand.base import PacketMonitor
from powernap.wake.model import Sleep

_PORT = 22


class SshMonitor(PacketMonitor):
    name = "ssh_data"
    what = "TCP data"
    protocol = "tcp"

    def wants(self, frame: ip.Packet, sleep: Sleep) -> bool:
        types = bool(frame.payload) and not frame.flags & (ip.SYN | ip.RST | ip.FIN)
        return frame.protocol == TCP and frame.port == _PORT and types and contains(sleep.tcp, _PORT)
