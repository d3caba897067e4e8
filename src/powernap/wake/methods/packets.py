# SPDX-License-Identifier: GPL-3.0-or-later
"""What the magic packet's ways have in common: whole frames, sent from each segment where a card may be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache

from powernap.shared.mac import format_mac, magic_packet
from powernap.wake.methods.base import Means, Outcome, Segment, Shot, Target, WakeMethod


class FrameMethod(WakeMethod):
    """Sends whole frames on the segments where a card is, or on all where that is not known."""

    def frames(self, segment: Segment, mac: bytes, payload: bytes, target: Target) -> tuple[bytes, ...]:
        raise NotImplementedError

    def shots(self, target: Target) -> tuple[Shot, ...] | None:
        return self._near(target)

    def wake(self, target: Target) -> Outcome:
        return send(self._near(target))

    def _near(self, target: Target) -> tuple[Shot, ...]:
        return tuple(
            (segment, frame)
            for mac, segment in _cards(target, self.means)
            for frame in self.frames(segment, mac, payload_for(mac, target), target)
        )


def send(shots: Iterable[Shot]) -> Outcome:
    sent, refused = 0, []
    for segment, frame in shots:
        if segment.send(frame):
            sent += 1
        elif segment.interface.name not in refused:
            refused.append(segment.interface.name)
    return Outcome(sent, f"{', '.join(refused)} took no frame" if refused else "")


def payload_for(mac: bytes, target: Target) -> bytes:
    return _payload(mac, target.password)


@lru_cache(maxsize=64)
def _payload(mac: bytes, password: str | None) -> bytes:
    return magic_packet(format_mac(mac), password)


def _cards(target: Target, means: Means) -> Iterator[tuple[bytes, Segment]]:
    for mac, name in target.cards:
        known = means.segments.get(name)
        for segment in [known] if known is not None else means.segments.values():
            yield mac, segment
