# SPDX-License-Identifier: GPL-3.0-or-later
"""Wake-on-LAN: the magic packet by EtherType 0x0842 to the card and to all, and by UDP broadcast."""

from __future__ import annotations

from collections.abc import Mapping

from powernap.net import magic
from powernap.shared.mac import format_mac, magic_packet
from powernap.wake.methods.base import Segment, Target, WakeMethod

_MOST_REMEMBERED = 4096
_ANY = bytes(4)


class MagicPacket(WakeMethod):
    def __init__(self, segments: Mapping[str, Segment], udp_port: int) -> None:
        self._segments = segments
        self._udp_port = udp_port
        self._built: dict[tuple[object, ...], tuple[bytes, ...]] = {}

    def wake(self, target: Target, volley: int) -> int:
        sent = 0
        for mac, name in target.cards:
            segments = [self._segments[name]] if name in self._segments else self._segments.values()
            for segment in segments:
                for frame in self._frames(segment, mac, target.password):
                    sent += segment.send(frame)
        return sent

    def _frames(self, segment: Segment, mac: bytes, password: str | None) -> tuple[bytes, ...]:
        interface = segment.interface
        key = (interface.mac, interface.ipv4, mac, password)
        built = self._built.get(key)
        if built is None:
            payload = magic_packet(format_mac(mac), password)
            # To the card first: a switch that still knows its port delivers it there; broadcast reaches it in any case.
            built = (
                magic.ethernet_frame(payload, interface.mac, mac),
                magic.ethernet_frame(payload, interface.mac),
                magic.udp_frame(payload, interface.mac, interface.ipv4 or _ANY, self._udp_port),
            )
            if len(self._built) >= _MOST_REMEMBERED:
                self._built.clear()
            self._built[key] = built
        return built
