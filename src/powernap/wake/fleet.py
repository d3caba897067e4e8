# SPDX-License-Identifier: GPL-3.0-or-later
"""All machines together: what each is, orders to many, and the site's policy; put together, opened and closed."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

from powernap.config.wake import WakeConfig
from powernap.wake.engine import Engine
from powernap.wake.enrolment import Enrolment
from powernap.wake.host import Host
from powernap.wake.link.hub import Hub
from powernap.wake.model import Address
from powernap.wake.notes import Notes
from powernap.wake.orders.canaries import Canaries, Kind
from powernap.wake.orders.delivery import Delivery
from powernap.wake.orders.dispatcher import Dispatcher
from powernap.wake.orders.hours import Hours
from powernap.wake.orders.keeper import Keeper
from powernap.wake.orders.marks import CanaryMarks
from powernap.wake.orders.needs import Needs
from powernap.wake.orders.waking import WakeOrders
from powernap.wake.presence.looking import Looking
from powernap.wake.presence.presence import Presence
from powernap.wake.registry import Journal, Record, Registry, RegistryError
from powernap.wake.registry.awake import asleep, size
from powernap.wake.roster import Roster

_log = logging.getLogger(__name__)
_PAGE, _BREATH_SECONDS = 500, 0.01


class Fleet:
    def __init__(
        self,
        config: WakeConfig,
        registry: Registry,
        journal: Journal,
        notes: Notes,
        engine: Engine,
        roster: Roster,
        enrolment: Enrolment,
        hub: Hub,
        wakes: WakeOrders,
    ) -> None:
        self._engine = engine
        self.marks = CanaryMarks(registry, journal)
        self.canaries = Canaries(registry, journal)
        self.presence = Presence(roster, notes, engine.note)
        self.presence.forsaken = hub.forsake
        self.looking = Looking(
            registry, roster, self.presence, self._probe, self._last_seen, engine.segments.interfaces, 300.0
        )
        self.keeper = Keeper(
            config,
            self.presence.up,
            self.presence.waking,
            self.presence.is_up,
            lambda group: size(registry, group),
            self._mark,
            lambda: self.looking.settled,
        )
        self.keeper.unproven = self._unproven
        self._needs = Needs(self.keeper, registry, roster, engine.tell, config.wake.resume_timeout_seconds)
        self.delivery = Delivery(
            hub, self.presence, roster, self.keeper, wakes, self.marks, self._needs.missing, engine.note
        )
        self.delivery.proved = self._proved
        self.dispatcher = Dispatcher(
            registry, roster, self.presence, self.keeper, self.delivery, engine.note, config.policy
        )
        self._hours = Hours(self.keeper, self.dispatcher)
        self.presence.changed.append(self.keeper.changed)
        hub.listeners.append(self.presence)
        engine.followed = self._followed
        enrolment.heard = self.presence.heard
        enrolment.spoke = self.presence.spoke
        enrolment.may_sleep = self._may_sleep
        enrolment.stays = self.keeper.give_back
        self._registry, self._roster = registry, roster
        self._taking_over: asyncio.Task[None] | None = None
        self._adopt(config)

    def open(self, taken_up: Callable[[], Awaitable[None]]) -> None:
        """When the segments are heard. `taken_up()` waits until all that slept are stood in for again."""
        self.looking.open()
        self._hours.open()
        self._taking_over = asyncio.ensure_future(self._take_over(taken_up))

    async def close(self) -> None:
        if self._taking_over is not None:
            self._taking_over.cancel()
        self._hours.close()
        self.looking.close()
        await self.dispatcher.close()
        self.presence.close()

    def configure(self, config: WakeConfig) -> None:
        """The configuration was read again."""
        self.keeper.configure(config)
        self._adopt(config)
        self._hours.open()

    def _adopt(self, config: WakeConfig) -> None:
        self.looking.seconds = config.presence.look_seconds
        self.dispatcher.settings = config.policy
        self.canaries.adopt(config)
        self._needs.patience = config.wake.resume_timeout_seconds

    def describe(self, host: Host) -> dict[str, Any]:
        """What a host is, for people and programs."""
        kind = self._kind(host.number, host.group)
        return {
            **self.presence.describe(host),
            "canary_failed": self.marks.failed(host.name),
            "canary_passed": self.canaries.passed(kind),
            "canary_wanted": self.canaries.wanted(kind),
        }

    def counts(self) -> dict[str, Any]:
        return {
            "states": self.states(),
            "links": self.presence.links(),
            "presence_questions": self.looking.questions,
        }

    def states(self) -> dict[str, int]:
        """How many hosts are what, in the words of docs/orders.md."""
        return self.presence.counts(self._roster.states.total())

    async def clear(self, name: str, by: str) -> bool:
        """A host whose canary failed may nap again. Raises RegistryError."""
        cleared = await self.marks.clear(name)
        if cleared:
            self._engine.note(name, "canary cleared", by)
        return cleared

    # What the parts ask of each other

    def _followed(self, before: Host | None, after: Host | None) -> None:
        try:
            self.presence.followed(before, after)
            if before is None or after is None or before.group != after.group:
                self.keeper.resized()
            self._needs.followed(before, after)
        except Exception:  # noqa: BLE001  whatever is wrong with what is told of a host, it is woken
            _log.exception("what a host is cannot be followed")

    async def _take_over(self, taken_up: Callable[[], Awaitable[None]]) -> None:
        """Those that slept at the start are so until something is heard of them; there may be a million.

        It is for the counts alone, and being stood in for comes first.
        """
        after = 0
        try:
            await taken_up()
            while page := asleep(self._registry, after, _PAGE):
                self.presence.take_over(page)
                after = page[-1][0]
                await asyncio.sleep(_BREATH_SECONDS)
        except RegistryError as error:
            _log.warning("%s", error)

    def _may_sleep(self, record: Record) -> None:
        """A host asks to be let go. Raises NotNow."""
        self.keeper.let_go(record.name, record.number, record.group)

    def _kind(self, number: int, group: str) -> Kind:
        return Kind(group, *self.presence.software(number))

    def _unproven(self, number: int, group: str) -> str:
        return self.canaries.wanted(self._kind(number, group)) if self.canaries.first(group) else ""

    async def _proved(self, host: Host, seconds: float) -> None:
        """A host napped, and woke by magic packets after so many seconds. Raises RegistryError."""
        kind = self._kind(host.number, host.group)
        self._engine.note(host.name, "canary passed", f"for {kind}")
        await self.canaries.prove(kind, host.name, time.time(), seconds)

    def _mark(self, name: str) -> str:
        failed = self.marks.failed(name)
        return str(failed["why"]) if failed is not None else ""

    def _probe(self, address: Address, broadcast: bool) -> None:
        self._engine.probe(address, broadcast)

    def _last_seen(self, mac: bytes) -> float | None:
        return self._engine.path.last_seen(mac)
