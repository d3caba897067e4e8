# SPDX-License-Identifier: GPL-3.0-or-later
"""Active when a datagram arrives for a local port. The port is not bound, so the real service keeps it."""

from __future__ import annotations

import socket

from powernap.nap.evidence import Reading
from powernap.nap.monitors.ports import LOOPBACK, PORTS, PortMonitor, count


class UdpMonitor(PortMonitor):
    """The count of datagrams that the kernel keeps; broadcast and multicast to the port count, too."""

    kind = "udp"
    summary = "a datagram arrives for one of these ports"
    options = (PORTS, LOOPBACK)
    protocol = socket.IPPROTO_UDP

    def look(self, now: float) -> Reading:
        if self.ledger is None:
            raise OSError(f"{self.missing}: powernapd needs CAP_NET_RAW to see datagrams")
        frames = self.passed()
        return self.reading(
            last_active=now if frames else None,
            detail=f"{count(frames, 'datagram')} on {self.where()} since the last look",
            source="packet ledger",
            counts=True,
            calls=self.armed,
        )
