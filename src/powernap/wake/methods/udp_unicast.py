# SPDX-License-Identifier: GPL-3.0-or-later
"""The magic packet by UDP to the machine's own IPv4 addresses and card, where broadcasts are filtered."""

from __future__ import annotations

from powernap.net import magic
from powernap.wake.methods.base import Segment, Target
from powernap.wake.methods.packets import FrameMethod

_ANY = bytes(4)


class UdpUnicast(FrameMethod):
    """Whole frames: the kernel's own socket would have to ask for the card of a machine that sleeps."""

    def frames(self, segment: Segment, mac: bytes, payload: bytes, target: Target) -> tuple[bytes, ...]:
        interface = segment.interface
        return tuple(
            magic.udp_frame(payload, interface.mac, interface.ipv4 or _ANY, self.means.udp_port, address.ip, mac)
            for address in target.addresses
            if address.mac == mac and address.segment == interface.name and not address.is_ipv6
        )
