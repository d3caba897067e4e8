# SPDX-License-Identifier: GPL-3.0-or-later
"""Bits that say of an address that it surely has no entry, before the large table of entries is looked into.

Most chatter is about nobody who sleeps, and a miss in a table of a million entries costs the kernel several cache
misses. A bit is set before its entry is there, and stays when the entry goes: at worst a frame is looked up in vain.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterable

from powernap.machine.ebpf import Map
from powernap.wake.path import layout

#: Of so many bits the fourth part: with more, too many addresses share a bit with one that sleeps.
_MANY = 1 << (layout.SIEVE_BITS - 2)
_PIECE = 1 << 16


class Sieve:
    """The kernel's table of one value, in this process's memory: only this process writes it.

    `fresh`: it is known to be empty.
    """

    def __init__(self, table: Map, fresh: bool) -> None:
        self._bits = mmap.mmap(table.fd, layout.SIEVE_BYTES)
        self._set = 0 if fresh else self._count()
        self._limit = max(_MANY, 2 * self._set)

    def add(self, ips: Iterable[bytes]) -> None:
        self.set(map(layout.sieve_bit, ips))

    def set(self, numbers: Iterable[int]) -> None:
        bits = self._bits
        for bit in numbers:
            place, mask = bit >> 3, 1 << (bit & 7)
            byte = bits[place]
            if not byte & mask:
                bits[place] = byte | mask
                self._set += 1

    @property
    def is_stale(self) -> bool:
        """Many addresses have had an entry: it may be worth while to find out which still have."""
        return self._set > self._limit

    def renew(self, ips: Iterable[bytes]) -> None:
        """These are all. What stays set is never seen cleared."""
        fresh = bytearray(layout.SIEVE_BYTES)
        for ip in ips:
            bit = layout.sieve_bit(ip)
            fresh[bit >> 3] |= 1 << (bit & 7)
        self._bits[:] = bytes(fresh)
        self._set = self._count()
        self._limit = max(_MANY, 2 * self._set)

    def close(self) -> None:
        self._bits.close()

    def _count(self) -> int:
        pieces = (self._bits[at : at + _PIECE] for at in range(0, layout.SIEVE_BYTES, _PIECE))
        return sum(bin(int.from_bytes(piece, "little")).count("1") for piece in pieces)
