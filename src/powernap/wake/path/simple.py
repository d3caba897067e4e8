# SPDX-License-Identifier: GPL-3.0-or-later
"""The least packet path: one classic BPF program for each segment, which knows no sleeper. The daemon does the rest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from powernap.net import bpf
from powernap.net.interfaces import Interface
from powernap.net.rawsocket import RawSocket
from powernap.wake.path.base import Done, Entry, Key


class SimplePath:
    name = "classic BPF"
    acts = False

    def __init__(self) -> None:
        self._attached: dict[int, tuple[RawSocket, Interface]] = {}
        self._sleepers: dict[int, set[bytes]] = {}

    def attach(self, raw: RawSocket, interface: Interface) -> None:
        self._attached[interface.index] = (raw, interface)
        self._filter(interface.index)

    def detach(self, index: int) -> None:
        self._attached.pop(index, None)
        self._sleepers.pop(index, None)

    def put(self, entries: Mapping[Key, Entry]) -> None:
        for key in entries:
            self._sleepers.setdefault(key.interface, set()).add(key.ip)
        self._filter(*{key.interface for key in entries})

    def remove(self, keys: Iterable[Key]) -> None:
        gone = set(keys)
        for key in gone:
            self._sleepers.get(key.interface, set()).discard(key.ip)
        self._filter(*{key.interface for key in gone})

    def _filter(self, *indexes: int) -> None:
        for index in indexes:
            if index in self._attached:
                raw, interface = self._attached[index]
                raw.filter(bpf.program(interface.own(4), interface.own(16), tuple(self._sleepers.get(index, ()))))

    def watch_cards(self, cards: Mapping[bytes, int]) -> None:
        pass

    def forget_cards(self, cards: Iterable[bytes]) -> None:
        pass

    def limit(self, per_minute: int, trusted: Iterable[str]) -> None:
        pass

    def done(self, key: Key) -> Done:
        return Done()

    def last_seen(self, mac: bytes) -> float | None:
        return None

    def adopted(self) -> Mapping[Key, Entry]:
        return {}

    def counters(self) -> Mapping[str, int]:
        return {}

    def close(self, keep: bool) -> None:
        pass
