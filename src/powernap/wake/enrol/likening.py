# SPDX-License-Identifier: GPL-3.0-or-later
"""What a machine has in common with the hosts that are registered: the evidence for evidence.judge."""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable

from powernap.shared.mac import mac_bytes
from powernap.wake.enrol.asked import Shown
from powernap.wake.enrol.evidence import Boot, Likeness, Verdict, judge
from powernap.wake.enrol.identities import Identities
from powernap.wake.registry import Record, Registry

#: A host that says nothing for so long, and does not sleep as it has registered, is silent.
LEASE_SECONDS = 3600.0
#: Of the boots in which a host was, so many are kept.
_BOOTS = 4
_MOST_HEARD = 65536
_ASLEEP = ("registered", "arming", "proxied", "waking", "restoring")


def key_hash(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


class Likening:
    """Knows of each host when it was last heard and in which boots, in memory: `started` is when that began."""

    def __init__(self, registry: Registry, identities: Identities, started: float) -> None:
        self.linked: Callable[[str], bool] = lambda name: False
        self._registry, self._identities, self._started = registry, identities, started
        self._heard: OrderedDict[str, tuple[float, tuple[str, ...]]] = OrderedDict()

    def judge(self, name: str, key: str, shown: Shown) -> Verdict:
        """Of a machine that asks to be known."""
        names = self._identities.alike(key_hash(key), shown.machine, shown.board) | {name}
        names |= {each for each in map(self._registry.host_of_card, map(mac_bytes, shown.macs)) if each is not None}
        records = filter(None, map(self._registry.record, sorted(names)))
        return judge([self.liken(record, name, key, shown) for record in records])

    def liken(self, record: Record, name: str, key: str, shown: Shown) -> Likeness:
        """What it has in common with that host."""
        known = self._identities.of(record.name, key_hash(record.key))
        linked = self.linked(record.name)
        return Likeness(
            host=record.name,
            name=record.name == name,
            key=record.key == key,
            machine=_same(known.machine, shown.machine),
            board=_same(known.board, shown.board),
            # A host that has said nothing of its cards is judged by its board alone.
            card=not shown.macs or not record.macs or not set(record.macs).isdisjoint(shown.macs),
            linked=linked,
            heard=linked or self._is_heard(record),
            boot=self._boot(record.name, shown.boot),
        )

    def heard(self, name: str, boot: str = "", now: float | None = None) -> None:
        """A host has spoken, in that boot."""
        boots = self._heard.pop(name, (0.0, ()))[1]
        if boot and (not boots or boots[-1] != boot):
            boots = (*boots, boot)[-_BOOTS:]
        self._heard[name] = (time.monotonic() if now is None else now, boots)
        if len(self._heard) > _MOST_HEARD:
            self._heard.popitem(last=False)

    def forget(self, name: str) -> None:
        self._heard.pop(name, None)

    def _is_heard(self, record: Record) -> bool:
        if record.state in _ASLEEP:
            return True
        last = self._heard.get(record.name, (self._started, ()))[0]
        return record.state == "awake" and time.monotonic() - last < LEASE_SECONDS

    def _boot(self, name: str, boot: str) -> Boot:
        boots = self._heard.get(name, (0.0, ()))[1]
        if not boot or not boots:
            return Boot.UNKNOWN
        if boots[-1] == boot:
            return Boot.SAME
        return Boot.LEFT if boot in boots else Boot.OTHER


def _same(known: str, shown: str) -> bool | None:
    return known == shown if known and shown else None
