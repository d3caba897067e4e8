# SPDX-License-Identifier: GPL-3.0-or-later
"""Active when data moves on a TCP connection to a port."""

from __future__ import annotations

import socket
from typing import Any

from powernap.machine import ownlinks, sockdiag
from powernap.machine.portledger import Tally
from powernap.machine.sockdiag import Connection
from powernap.nap.evidence import Reading
from powernap.nap.monitors.ports import OPTIONS, UNIT, PortMonitor, count


class TcpMonitor(PortMonitor):
    """Two ledgers that the kernel keeps: per open connection the time since data last moved (tcp_info), and of frames
    that brought data or a farewell, which sees connections that came and went between two looks. A connection that is
    merely open is no activity, nor is a keepalive or a bare SYN.

    Of connections that came and went, what this machine sent is not known: with min_bytes_per_second only what it
    received counts.
    """

    kind = "tcp"
    summary = "data moves on a TCP connection to one of these ports"
    options = OPTIONS
    protocol = socket.IPPROTO_TCP

    def __init__(self, name: str, values: Any) -> None:
        super().__init__(name, values)
        self._moved: dict[bytes, int] | None = None

    def look(self, now: float) -> Reading:
        connections = [
            connection
            for connection in sockdiag.established(self.ports, self.remote)
            if connection.idle_seconds is not None and self._counts(connection)
        ]
        tally = self.tally()
        last_active, detail = self._newest(now, connections, tally)
        watcher = self.watcher
        source = f"sock_diag, {watcher.source}"
        if watcher.missing:
            source = f"{watcher.missing}, so sock_diag only"
        if self.threshold:
            return self._by_rate(now, connections, tally, last_active, source)
        counts = not watcher.exact and not watcher.missing
        return self.reading(last_active=last_active, detail=detail, source=source, counts=counts, calls=self.armed)

    def _counts(self, connection: Connection) -> bool:
        if not self.loopback and connection.inside:
            return False
        if ownlinks.is_own(connection.remote_bytes, connection.remote_port, connection.local_port):
            return False
        if not self.networks and not self.exceptions:
            return True
        remote = connection.remote
        if any(remote in network for network in self.exceptions):
            return False
        return not self.networks or any(remote in network for network in self.networks)

    def _newest(self, now: float, connections: list[Connection], tally: Tally) -> tuple[float | None, str]:
        """Return when data last moved, and where."""
        newest = min(connections, key=lambda item: item.idle_seconds or 0.0, default=None)
        last, detail = None, f"{len(connections)} open on {self.where()}"
        if newest is not None and newest.idle_seconds is not None:
            last = now - newest.idle_seconds
            port = newest.remote_port if self.remote else newest.local_port
            detail = f"{newest.remote} and port {port}, data {newest.idle_seconds:.1f} s ago"
        if tally.last is not None and (last is None or tally.last > last):
            last, detail = tally.last, f"a frame on TCP port {tally.port} {max(0.0, now - tally.last):.1f} s ago"
        elif tally.frames and not self.watcher.exact:  # the moment is not known, so it counts as now
            last, detail = now, f"{count(tally.frames, 'frame')} on {self.where()} since the last look"
        return last, detail

    def _by_rate(
        self, now: float, connections: list[Connection], tally: Tally, newest: float | None, source: str
    ) -> Reading:
        before = self._moved
        self._moved = {each.key: each.moved_bytes or 0 for each in connections}
        moved = 0 if before is None else sum(max(0, size - before.get(key, 0)) for key, size in self._moved.items())
        verdict = self.rate(now, max(moved, tally.bytes))
        when = now if newest is None else min(now, newest)
        return self.reading(
            last_active=when if verdict.active else None,
            detail=verdict.detail(UNIT),
            source=source,
            counts=True,
            value=verdict.rate,
            threshold=verdict.threshold or self.threshold,
            unit=UNIT,
        )
