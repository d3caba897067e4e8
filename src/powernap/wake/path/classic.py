# SPDX-License-Identifier: GPL-3.0-or-later
"""The packet path where eBPF is not to be had: classic BPF keeps chatter in the kernel, the daemon does the rest."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping

from powernap.net import bpf, bpfset
from powernap.net.interfaces import Interface
from powernap.net.rawsocket import RawSocket
from powernap.wake.path.base import Alike, Done, Entry, Ignored, Key, Unwelcome

#: Up to so many addresses and cards the filter is made anew at once; beyond, it passes all that may concern a sleeper
#: until they have been the same for so many seconds.
_AT_ONCE = 64
_SETTLE_SECONDS = 0.5
#: More than these fit into no filter; their names are not kept.
_MOST = bpfset.MOST_INSTRUCTIONS


class ClassicPath:
    """`why`: why it is not eBPF, for people."""

    acts = False

    def __init__(self, why: str) -> None:
        self._why = why
        self._raws: dict[int, tuple[RawSocket, Interface]] = {}
        self._sleepers: defaultdict[int, set[bytes]] = defaultdict(set)
        self._cards: set[bytes] = set()
        #: Once a host has wanted its echo requests answered they pass, whomever they are for.
        self._echoes = False
        self._too_many = False
        self._plain: set[int] = set()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def name(self) -> str:
        return f"classic BPF ({self._why})"

    def attach(self, raw: RawSocket, interface: Interface) -> None:
        self._raws[interface.index] = raw, interface
        self._filter(interface.index)

    def detach(self, index: int) -> None:
        self._raws.pop(index, None)
        self._plain.discard(index)

    def put(self, entries: Mapping[Key, Entry]) -> None:
        changed: set[int] = set()
        if not self._echoes and any(entry.pings for entry in entries.values()):
            self._echoes = True
            for index in self._raws:
                self._filter(index)
        for key in entries:
            if not key.vlan and key.ip not in self._sleepers[key.interface]:
                self._sleepers[key.interface].add(key.ip)
                changed.add(key.interface)
        self._changed(changed)

    def put_alike(self, kinds: Collection[Alike]) -> None:
        self.put({Key(kind.interface, 0, ip): kind.entry for kind in kinds for ip in kind.each_ip()})

    def remove(self, keys: Iterable[Key]) -> None:
        changed = set()
        for key in keys:
            if not key.vlan and key.ip in self._sleepers[key.interface]:
                self._sleepers[key.interface].remove(key.ip)
                changed.add(key.interface)
        self._changed(changed)

    def watch_cards(self, cards: Mapping[bytes, int]) -> None:
        before = len(self._cards)
        self._cards.update(cards)
        if len(self._cards) != before:
            self._changed(self._raws)

    def forget_cards(self, cards: Iterable[bytes]) -> None:
        before = len(self._cards)
        self._cards.difference_update(cards)
        if len(self._cards) != before:
            self._changed(self._raws)

    def limit(self, per_minute: int, trusted: Iterable[str]) -> None:
        """The daemon limits by itself what it wakes."""

    def shut(self, gates: Collection[int]) -> None:
        """Nothing fires here."""

    def refuse(self, unwelcome: Mapping[Unwelcome, float]) -> None:
        """The daemon refuses by itself."""

    def refused(self) -> Mapping[Unwelcome, Ignored]:
        return {}

    def limited(self) -> Mapping[bytes, Ignored]:
        return {}

    def done(self, key: Key) -> Done:
        return Done()

    def fired_at(self, key: Key) -> float:
        return 0.0

    def last_seen(self, mac: bytes) -> float | None:
        return None

    def adopted(self) -> Mapping[Key, Entry]:
        return {}

    def counters(self) -> Mapping[str, int]:
        return {"interfaces with a plain filter": len(self._plain)}

    def close(self, keep: bool) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._raws.clear()

    # The filters

    def _changed(self, indexes: Iterable[int]) -> None:
        if len(self._cards) > _MOST or any(len(each) > _MOST for each in self._sleepers.values()):
            self._too_many = True
        if self._too_many:
            self._sleepers.clear()
            self._cards.clear()
        for index in indexes:
            if len(self._sleepers[index]) + len(self._cards) <= _AT_ONCE:
                self._filter(index)
            else:
                self._loosen(index)

    def _loosen(self, index: int) -> None:
        """Nothing may be missed while the filter waits to be made."""
        if index not in self._plain and index in self._raws:
            self._plain.add(index)
            raw, interface = self._raws[index]
            raw.filter(bpf.program(interface.own(4), interface.own(16), _MANY, self._echoes))
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self._tighten()
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = loop.call_later(_SETTLE_SECONDS, self._tighten)

    def _tighten(self) -> None:
        self._timer = None
        for index in tuple(self._plain):
            self._filter(index)

    def _filter(self, index: int) -> None:
        if index not in self._raws:
            return
        raw, interface = self._raws[index]
        own = interface.own(4), interface.own(16)
        program = None
        if not self._too_many:
            program = bpfset.program(*own, self._sleepers[index], self._cards, self._echoes)
        if program is not None:
            with contextlib.suppress(OSError):  # net.core.optmem_max is low
                raw.filter(program)
                self._plain.discard(index)
                return
        self._plain.add(index)
        raw.filter(bpf.program(*own, _MANY, self._echoes))


#: Sleepers that stand for more than a plain filter can tell apart.
_MANY = tuple(number.to_bytes(4, "big") for number in range(bpf.MOST_SLEEPERS + 1)) + tuple(
    number.to_bytes(16, "big") for number in range(bpf.MOST_SLEEPERS + 1)
)
