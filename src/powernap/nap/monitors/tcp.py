# SPDX-License-Identifier: GPL-3.0-or-later
"""Active when data moves on a TCP connection to a local port."""

from __future__ import annotations

import socket

from powernap.machine import sockdiag
from powernap.nap.evidence import Reading
from powernap.nap.monitors.ports import LOOPBACK, PORTS, PortMonitor, count


class TcpMonitor(PortMonitor):
    """Two ledgers that the kernel keeps: per open connection the time since data last moved (tcp_info), which tells the
    moment; and the count of frames that brought data or a farewell, which sees connections that came and went between
    two looks. A connection that is merely open is no activity, nor is a keepalive or a bare SYN.
    """

    kind = "tcp"
    summary = "data moves on a TCP connection to one of these ports"
    options = (PORTS, LOOPBACK)
    protocol = socket.IPPROTO_TCP

    def look(self, now: float) -> Reading:
        connections = [
            connection
            for first, last in self.ports
            for connection in sockdiag.established(first, last)
            if (self.loopback or not connection.inside) and connection.idle_seconds is not None
        ]
        frames = self.passed()
        newest = min(connections, key=lambda item: item.idle_seconds or 0.0, default=None)
        last_active, detail = None, f"{len(connections)} open on {self.where()}"
        if newest is not None and newest.idle_seconds is not None:
            last_active = now - newest.idle_seconds
            detail = f"{newest.remote} to port {newest.local_port}, data {newest.idle_seconds:.1f} s ago"
        if frames:  # perhaps of a connection that is gone: the moment is not known, so it counts as now
            last_active, detail = now, f"{count(frames, 'frame')} on {self.where()} since the last look"
        return self.reading(
            last_active=last_active,
            detail=detail,
            source=self.missing + ", so sock_diag only" if self.missing else "sock_diag and packet ledger",
            counts=self.ledger is not None,
            calls=self.armed,
        )
