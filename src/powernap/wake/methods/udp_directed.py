# SPDX-License-Identifier: GPL-3.0-or-later
"""The magic packet by UDP to the broadcast addresses of networks: those on the segments, and those behind routers."""

from __future__ import annotations

import socket
from ipaddress import IPv4Interface

from powernap.net import magic
from powernap.wake.methods.base import Means, Outcome, Segment, Shot, Target
from powernap.wake.methods.packets import FrameMethod, payload_for

#: A network with no address for all (RFC 3021).
_POINT_TO_POINT = 31


class UdpDirected(FrameMethod):
    """A router carries a directed broadcast into its network only where it is told to (RFC 2644)."""

    def __init__(self, means: Means) -> None:
        super().__init__(means)
        self._socket: socket.socket | None = None

    def shots(self, target: Target) -> tuple[Shot, ...] | None:
        return None if target.subnets else super().shots(target)

    def wake(self, target: Target) -> Outcome:
        near = super().wake(target)
        sent, failed = 0, near.text
        for mac, _segment in target.cards:
            for subnet in target.subnets:
                try:
                    self._open().sendto(payload_for(mac, target), (str(subnet.broadcast_address), self.means.udp_port))
                    sent += 1
                except OSError as error:
                    failed = f"{subnet.broadcast_address}: {error.strerror or error}"
        return Outcome(near.packets + sent, failed)

    def frames(self, segment: Segment, mac: bytes, payload: bytes, target: Target) -> tuple[bytes, ...]:
        interface = segment.interface
        return tuple(
            magic.udp_frame(
                payload, interface.mac, own.ip.packed, self.means.udp_port, own.network.broadcast_address.packed
            )
            for own in interface.networks
            if isinstance(own, IPv4Interface) and own.network.prefixlen < _POINT_TO_POINT
        )

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _open(self) -> socket.socket:
        if self._socket is None:
            self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self._socket.setblocking(False)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        return self._socket
