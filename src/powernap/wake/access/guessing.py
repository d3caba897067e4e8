# SPDX-License-Identifier: GPL-3.0-or-later
"""Who tries tokens that are not good: slowed by source, and logged. Pure.

A good token always passes: its 256 random bits cannot be guessed, so nobody is locked out because somebody else behind
the same address tries. What is limited is the load and the log.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict

_TRIES = 10.0
_TRIES_PER_SECOND = 1 / 6
_MOST_SOURCES = 4096


class Guessing:
    """A bucket of tries for each source; `now` is any clock that only grows, in seconds."""

    def __init__(self) -> None:
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def failed(self, address: str, now: float) -> tuple[float, bool]:
        """A try has failed. Returns (seconds until the next is looked at, whether that is news worth a line)."""
        source = source_of(address)
        left, then = self._left.pop(source, (_TRIES, now))
        before = min(_TRIES, left + (now - then) * _TRIES_PER_SECOND)
        left = max(0.0, before - 1)
        self._left[source] = (left, now)
        if len(self._left) > _MOST_SOURCES:
            self._left.popitem(last=False)
        news = before == _TRIES or (before >= 1 > left)
        return (0.0 if before >= 1 else (1 - before) / _TRIES_PER_SECOND), news


def source_of(address: str) -> str:
    """Whom an address stands for: with IPv6 the network, for a machine has all of its /64."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if ip.version == 6 and ip.ipv4_mapped is not None:
        return str(ip.ipv4_mapped)
    return str(ipaddress.ip_network((ip, 64), strict=False)) if ip.version == 6 else address
