# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines that others need are woken with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from powernap.wake import events as ev
from powernap.wake.clock import clock
from powernap.wake.events import Event
from powernap.wake.host import Host
from powernap.wake.model import State
from powernap.wake.orders.keeper import Keeper
from powernap.wake.registry import Registry, RegistryError
from powernap.wake.registry.awake import members
from powernap.wake.roster import Roster

_MOST = 1000
_AGAIN_SECONDS = 1.0
_AWAKE = (State.AWAKE, State.RESTORING, State.WAKING)


class Needs:
    """`tell(name, event)` is the engine's. `patience`: seconds that a machine has to wake."""

    def __init__(
        self, keeper: Keeper, registry: Registry, roster: Roster, tell: Callable[[str, Event], None], patience: float
    ) -> None:
        self.patience = patience
        self._keeper, self._registry, self._roster, self._tell = keeper, registry, roster, tell
        self._woken_for: dict[str, float] = {}

    def missing(self, host: Host) -> list[str]:
        """The machines that it needs and that sleep, those first that others of them need."""
        found: dict[str, None] = {}
        self._collect(host.name, host.group, found, {host.name})
        return list(found)

    def followed(self, before: Host | None, after: Host | None) -> None:
        """A host has another state: one that is being woken wakes whom it needs, at the same time."""
        if after is None or before is None or after.state is not State.WAKING or before.state is State.WAKING:
            return
        if not self._keeper.dependencies.of(after.group) or after.wake is None or after.wake.check_until is not None:
            return
        now = clock()
        if now - self._woken_for.get(after.group, -_AGAIN_SECONDS) < _AGAIN_SECONDS:
            return
        self._woken_for[after.group] = now
        for name in self.missing(after):
            self._tell(name, ev.Order(f"{after.name}, which needs it", self.patience))

    def _collect(self, name: str, group: str, found: dict[str, None], met: set[str]) -> None:
        for needed in self._names(self._keeper.dependencies.of(group)):
            if needed in met or len(found) >= _MOST:
                continue
            met.add(needed)
            host = self._roster.peek(needed)
            if host is None:
                continue
            self._collect(needed, host.group, found, met)
            if host.state not in _AWAKE:
                found[needed] = None

    def _names(self, needs: tuple[str, ...]) -> Iterator[str]:
        for needed in needs:
            if not needed.startswith("@"):
                yield needed
                continue
            try:
                yield from members(self._registry, needed[1:], _MOST)
            except RegistryError:
                continue
