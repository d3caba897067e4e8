# SPDX-License-Identifier: GPL-3.0-or-later
"""The magic packet by UDP to 255.255.255.255, for what only wakes on that."""

from __future__ import annotations

from powernap.net import magic
from powernap.wake.methods.base import Segment, Target
from powernap.wake.methods.packets import FrameMethod

_ANY = bytes(4)


class UdpBroadcast(FrameMethod):
    def frames(self, segment: Segment, mac: bytes, payload: bytes, target: Target) -> tuple[bytes, ...]:
        interface = segment.interface
        return (magic.udp_frame(payload, interface.mac, interface.ipv4 or _ANY, self.means.udp_port),)
