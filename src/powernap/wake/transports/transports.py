# SPDX-License-Identifier: GPL-3.0-or-later
"""The brokers that are configured, opened and closed together. Without one no module of any is imported."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from powernap.config.wake import WakeConfig
from powernap.wake.link.hub import Hub
from powernap.wake.presence.presence import Presence
from powernap.wake.presence.status import Condition
from powernap.wake.registry import Record, Registry, RegistryError
from powernap.wake.roster import Roster

if TYPE_CHECKING:
    from powernap.wake.transports.station import Station

_log = logging.getLogger(__name__)
_PAGE = 100


class Transports:
    def __init__(
        self,
        config: WakeConfig,
        hub: Hub,
        registry: Registry,
        roster: Roster,
        presence: Presence,
        record: Callable[[str], Record | None],
    ) -> None:
        self._config, self._hub, self._registry, self._roster = config, hub, registry, roster
        self._presence, self._record = presence, record
        self._stations: list[Station] = []
        presence.changed.append(self._changed)

    def open(self) -> None:
        for settings in (self._config.mqtt, self._config.stomp):
            if not settings.broker:
                continue
            from powernap.net.broker.base import broker
            from powernap.net.broker.topics import Topics
            from powernap.wake.transports.station import Station

            place = broker(settings.broker, settings.user, settings.password_file, settings.ca_file)
            topics = Topics(settings.topics)
            made = Station(place, topics, settings.states, self._hub, self._record, self._state, self._names)
            made.open()
            self._stations.append(made)

    async def close(self) -> None:
        stations, self._stations = self._stations, []
        for each in stations:
            await each.close()

    def forgotten(self, name: str) -> None:
        """The host is no longer known: nothing is told of it any more."""
        for each in self._stations:
            each.changed(name)

    def status(self) -> list[dict[str, Any]]:
        """For people, one for each broker."""
        return [each.status() for each in self._stations]

    def _changed(self, name: str, group: str, condition: Condition) -> None:
        for each in self._stations:
            each.changed(name)

    def _state(self, name: str) -> dict[str, Any] | None:
        try:
            host = self._roster.peek(name)
        except RegistryError as error:
            _log.error("%s", error)
            return None
        if host is None:
            return None
        status = self._presence.status(host)
        return {
            "host": name,
            "state": status.condition.value,
            "since": round(status.since, 3),
            "why": status.why,
            "group": host.group,
        }

    def _names(self) -> Iterator[list[str]]:
        after = ""
        try:
            while page := self._registry.records(after, _PAGE):
                after = page[-1].name
                yield [record.name for record in page]
        except RegistryError as error:
            _log.error("%s", error)
