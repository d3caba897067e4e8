# SPDX-License-Identifier: GPL-3.0-or-later
"""From a host to be woken to packets on the wire."""

from __future__ import annotations

from collections.abc import Mapping

from powernap.wake.host import Host
from powernap.wake.methods import METHODS, Target
from powernap.wake.methods.base import Segment


class Waker:
    def __init__(self, segments: Mapping[str, Segment], udp_port: int) -> None:
        self._methods = [method(segments, udp_port) for method in METHODS.values()]

    def fire(self, host: Host, volley: int) -> int:
        """One volley by every method. Returns how many packets went out."""
        target = target_of(host)
        return sum(method.wake(target, volley) for method in self._methods)


def target_of(host: Host) -> Target:
    segments = {address.mac: address.segment for address in host.known_addresses()}
    cards = tuple((mac, segments.get(mac, "")) for mac in host.all_macs())
    return Target(host.name, cards, host.sleep.password if host.sleep else None)
