# SPDX-License-Identifier: GPL-3.0-or-later
"""The magic packet by EtherType 0x0842: to the card, then to all."""

from __future__ import annotations

from powernap.net import magic
from powernap.wake.methods.base import Segment, Target
from powernap.wake.methods.packets import FrameMethod


class Ethernet(FrameMethod):
    def frames(self, segment: Segment, mac: bytes, payload: bytes, target: Target) -> tuple[bytes, ...]:
        source = segment.interface.mac
        # To the card first: a switch that still knows its port delivers it there; broadcast reaches it in any case.
        return magic.ethernet_frame(payload, source, mac), magic.ethernet_frame(payload, source)
