# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell use of open TCP connections from mere signs of life: the kernel counts the bytes of each (tcp_info)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

from powernap.machine.sockdiag import Connection, established
from powernap.shared.ports import Ranges

Dump: TypeAlias = Callable[[Ranges], Iterable[Connection]]


@dataclass(frozen=True)
class Allowance:
    """What a client says that does nothing: ``size`` bytes both ways, every ``seconds`` at most."""

    size: int
    seconds: float

    @property
    def most(self) -> float:
        """Two such signs of life may come close together."""
        return 2.0 * self.size


#: SMB2 ECHO: 72 bytes each way, 124 where it is encrypted ([MS-SMB2] 2.2.28, 2.2.41), every 60 s from Linux.
SMB = Allowance(300, 30.0)
#: NFSv4 renewal (RENEW, or SEQUENCE alone): 250 bytes each way with Kerberos, every two thirds of a lease of 90 s.
NFS = Allowance(600, 30.0)


@dataclass
class _Flow:
    moved: int
    credit: float


@dataclass(frozen=True)
class Use:
    """``last``: when data last moved on a connection that was used (CLOCK_BOOTTIME); ``remote``: whose it is."""

    last: float
    remote: str
    moved: int


class Flows:
    """Each connection has a credit of silence, filled as time passes: bytes beyond it are use."""

    def __init__(self, ports: Ranges, allowance: Allowance, loopback: bool = False, dump: Dump = established) -> None:
        self._ports, self._allowance, self._loopback, self._dump = ports, allowance, loopback, dump
        self._flows: dict[bytes, _Flow] = {}
        self._looked: float | None = None

    @property
    def open(self) -> int:
        """How many connections were open at the last look."""
        return len(self._flows)

    def look(self, now: float) -> Use | None:
        """Return the newest use since the last look; at the first look there is nothing to compare. Raises OSError."""
        elapsed = max(0.0, now - self._looked) if self._looked is not None else 0.0
        flows: dict[bytes, _Flow] = {}
        newest: Use | None = None
        for item in self._dump(self._ports):
            if (item.inside and not self._loopback) or item.moved_bytes is None or item.idle_seconds is None:
                continue
            before = self._flows.get(item.key)
            if before is None:  # a new one: to log in is use
                before = _Flow(item.moved_bytes if self._looked is None else 0, self._allowance.most)
            refill = elapsed / self._allowance.seconds * self._allowance.size
            credit = min(before.credit + refill, self._allowance.most) - (item.moved_bytes - before.moved)
            flows[item.key] = _Flow(item.moved_bytes, max(0.0, credit))
            when = now - item.idle_seconds
            if credit < 0 and (newest is None or when > newest.last):
                newest = Use(when, str(item.remote), item.moved_bytes - before.moved)
        self._flows, self._looked = flows, now
        return newest
