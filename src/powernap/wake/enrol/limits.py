# SPDX-License-Identifier: GPL-3.0-or-later
"""How often may be asked to be known: by one address (IPv6: one /64), and in all. Pure; the clock is an argument."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict

_MOST_SOURCES = 4096
#: Of a minute's questions so many may come at once.
_AT_ONCE = 0.5


class Limits:
    """Token buckets. A source that fails to guess a token pays for `_WRONG_COSTS` questions."""

    _WRONG_COSTS = 10

    def __init__(self, per_minute: int, per_source: int) -> None:
        self.per_minute, self.per_source = per_minute, per_source
        self._all: tuple[float, float] | None = None
        self._sources: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, source: str, now: float) -> float:
        """0 where it may ask, which is counted; else the seconds until it may."""
        whose = _whose(source)
        mine, of_mine = _left(self._sources.get(whose), self.per_source, now)
        everybody, of_all = _left(self._all, self.per_minute, now)
        self._keep(whose, (mine, now))
        self._all = (everybody, now)
        late = max((1 - mine) / of_mine if mine < 1 else 0.0, (1 - everybody) / of_all if everybody < 1 else 0.0)
        if not late:
            self._keep(whose, (mine - 1, now))
            self._all = (everybody - 1, now)
        return late

    def wrong(self, source: str, now: float) -> None:
        """A token that is none: guesses are to be few."""
        whose = _whose(source)
        left, _per_second = _left(self._sources.get(whose), self.per_source, now)
        self._keep(whose, (left - self._WRONG_COSTS, now))

    def _keep(self, whose: str, bucket: tuple[float, float]) -> None:
        self._sources[whose] = bucket
        self._sources.move_to_end(whose)
        if len(self._sources) > _MOST_SOURCES:
            self._sources.popitem(last=False)


def _left(bucket: tuple[float, float] | None, per_minute: int, now: float) -> tuple[float, float]:
    """What is in a bucket now, and how much comes in a second."""
    most, per_second = max(1.0, per_minute * _AT_ONCE), per_minute / 60
    if bucket is None:
        return most, per_second
    return min(most, bucket[0] + max(0.0, now - bucket[1]) * per_second), per_second


def _whose(source: str) -> str:
    try:
        address = ipaddress.ip_address(source.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is None:
        return str(ipaddress.ip_network((address.packed[:8] + bytes(8), 64)))
    return str(getattr(address, "ipv4_mapped", None) or address)
