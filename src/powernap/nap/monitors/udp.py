# SPDX-License-Identifier: GPL-3.0-or-later
"""Active when a datagram arrives for a port. The port is not bound, so the real service keeps it."""

from __future__ import annotations

import socket

from powernap.nap.evidence import Reading
from powernap.nap.monitors.ports import OPTIONS, UNIT, PortMonitor, count


class UdpMonitor(PortMonitor):
    """The kernel notes datagrams that arrive; broadcast and multicast to the port count, too."""

    kind = "udp"
    summary = "a datagram arrives for one of these ports"
    options = OPTIONS
    protocol = socket.IPPROTO_UDP

    def look(self, now: float) -> Reading:
        tally, watcher = self.tally(), self.watcher
        if watcher.missing:
            raise OSError(f"{watcher.missing}: powernapd needs CAP_NET_RAW to see datagrams")
        last = tally.last if watcher.exact else now if tally.frames else None
        detail = f"{count(tally.frames, 'datagram')} on {self.where()} since the last look"
        if not self.threshold:
            counts = not watcher.exact
            return self.reading(last_active=last, detail=detail, source=watcher.source, counts=counts, calls=self.armed)
        verdict = self.rate(now, tally.bytes)
        return self.reading(
            last_active=last if verdict.active else None,
            detail=verdict.detail(UNIT),
            source=watcher.source,
            counts=True,
            value=verdict.rate,
            threshold=verdict.threshold or self.threshold,
            unit=UNIT,
        )
