# SPDX-License-Identifier: GPL-3.0-or-later
"""What the magic packet's ways have in common: frames are built once for each card, and sent from each segment."""

from __future__ import annotations

from collections.abc import Iterator

from powernap.shared.mac import format_mac, magic_packet
from powernap.wake.methods.base import Means, Outcome, Segment, Target, WakeMethod

_MOST_REMEMBERED = 512


class FrameMethod(WakeMethod):
    """Sends whole frames on the segments where a card is, or on all where that is not known."""

    def __init__(self, means: Means) -> None:
        super().__init__(means)
        self._built: dict[tuple[object, ...], tuple[bytes, ...]] = {}

    def frames(self, segment: Segment, mac: bytes, payload: bytes, target: Target) -> tuple[bytes, ...]:
        raise NotImplementedError

    def variant(self, target: Target) -> object:
        """What its frames depend on besides segment, card and password."""
        return None

    def wake(self, target: Target) -> Outcome:
        sent, refused = 0, []
        for mac, segment in _cards(target, self.means):
            for frame in self._remembered(segment, mac, target):
                if segment.send(frame):
                    sent += 1
                elif segment.interface.name not in refused:
                    refused.append(segment.interface.name)
        return Outcome(sent, f"{', '.join(refused)} took no frame" if refused else "")

    def _remembered(self, segment: Segment, mac: bytes, target: Target) -> tuple[bytes, ...]:
        interface = segment.interface
        key = (interface.mac, interface.networks, mac, target.password, self.variant(target))
        built = self._built.get(key)
        if built is None:
            built = self.frames(segment, mac, payload_for(mac, target), target)
            if len(self._built) >= _MOST_REMEMBERED:
                self._built.clear()
            self._built[key] = built
        return built


def payload_for(mac: bytes, target: Target) -> bytes:
    return magic_packet(format_mac(mac), target.password)


def _cards(target: Target, means: Means) -> Iterator[tuple[bytes, Segment]]:
    for mac, name in target.cards:
        known = means.segments.get(name)
        for segment in [known] if known is not None else means.segments.values():
            yield mac, segment
