# SPDX-License-Identifier: GPL-3.0-or-later
"""Multicast DNS by avahi-daemon, through its D-Bus API (org.freedesktop.Avahi, /usr/share/dbus-1/interfaces).

What is published is withdrawn by avahi when the connection to the bus ends; idle it costs no wake-up here.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from powernap.machine.dbus import Bus, BusError
from powernap.net.discovery.base import DiscoveryError, Found, Published, label, read_texts, texts_of

_log = logging.getLogger(__name__)
_NAME = "org.freedesktop.Avahi"
_SERVER = (_NAME, "/", f"{_NAME}.Server")
_SERVER_2 = (_NAME, "/", f"{_NAME}.Server2")
_BUS = ("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus")
_ANY = -1
_IPV4 = 0
#: avahi-common/defs.h: AVAHI_ENTRY_GROUP_COLLISION.
_COLLISION = 3
_TRIES = 10
_RESOLVING = 16


async def open_avahi(lost: Callable[[], None] = lambda: None) -> ByAvahi:
    """Raises DiscoveryError where avahi-daemon does not run."""
    try:
        bus = Bus(lost)
    except BusError as error:
        raise DiscoveryError(f"avahi cannot be used: {error}") from None
    try:
        (there,) = await bus.call(_BUS, "NameHasOwner", "s", (_NAME,))
        if not there:
            raise DiscoveryError("avahi-daemon does not run: try 'systemctl start avahi-daemon'")
        (version,) = await bus.call(_SERVER, "GetVersionString")
    except BusError as error:
        bus.close()
        raise DiscoveryError(f"avahi cannot be used: {error}") from None
    except DiscoveryError:
        bus.close()
        raise
    return ByAvahi(bus, str(version))


class ByAvahi:
    def __init__(self, bus: Bus, version: str) -> None:
        self.name = version  # it says "avahi 0.8"
        self._bus = bus
        self._groups: dict[str, tuple[str, str, str]] = {}
        self._published: dict[str, Published] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._resolving = asyncio.Semaphore(_RESOLVING)
        self._followed = False

    async def publish(self, what: Published) -> None:
        try:
            await self._publish(what)
            if not self._followed:
                self._followed = True
                await self._bus.on_signal(
                    "org.freedesktop.DBus", "NameOwnerChanged", _BUS[1], self._owner_changed, arg0=_NAME
                )
        except BusError as error:
            raise DiscoveryError(f"avahi does not publish {what.name}: {error}") from None

    async def _publish(self, what: Published) -> None:
        group = self._groups.get(what.kind)
        if group is None:
            (path,) = await self._bus.call(_SERVER, "EntryGroupNew")
            group = self._groups[what.kind] = (_NAME, path, f"{_NAME}.EntryGroup")
            await self._bus.on_signal(group[2], "StateChanged", path, lambda body: self._state_changed(what.kind, body))
        else:
            await self._bus.call(group, "Reset")
        name = label(what.name)
        for _nth in range(_TRIES):
            body = (_ANY, _ANY, 0, name, what.kind, "", "", what.port, texts_of(what.texts))
            try:
                await self._bus.call(group, "AddService", "iiussssqaay", body)
                break
            except BusError as error:
                if "ollision" not in str(error):
                    raise
                (name,) = await self._bus.call(_SERVER, "GetAlternativeServiceName", "s", (name,))
        self._published[what.kind] = Published(what.kind, name, what.port, what.texts)
        await self._bus.call(group, "Commit")

    def _state_changed(self, kind: str, body: tuple[Any, ...]) -> None:
        """Another machine has that name."""
        if body and body[0] == _COLLISION and kind in self._published:
            self._spawn(self._rename(kind))

    async def _rename(self, kind: str) -> None:
        what = self._published[kind]
        (name,) = await self._bus.call(_SERVER, "GetAlternativeServiceName", "s", (what.name,))
        await self._publish(Published(kind, name, what.port, what.texts))

    def _owner_changed(self, body: tuple[Any, ...]) -> None:
        """avahi-daemon was started again: it knows of nothing."""
        if len(body) == 3 and body[2]:
            self._groups.clear()
            self._spawn(self._publish_again())

    async def _publish_again(self) -> None:
        for what in tuple(self._published.values()):
            await self._publish(what)

    async def browse(self, kind: str, seen: Callable[[Found], None], gone: Callable[[str], None]) -> None:
        interface = f"{_NAME}.ServiceBrowser"
        try:
            # Prepared first, and started when its signals are listened for: else those at the beginning are lost.
            (path,) = await self._bus.call(_SERVER_2, "ServiceBrowserPrepare", "iissu", (_ANY, _ANY, kind, "", 0))
            await self._bus.on_signal(
                interface, "ItemNew", path, lambda body: self._spawn(self._resolve(kind, body, seen))
            )
            await self._bus.on_signal(interface, "ItemRemove", path, lambda body: gone(str(body[2])))
            await self._bus.call((_NAME, path, interface), "Start")
        except BusError as error:
            raise DiscoveryError(f"avahi does not browse: {error}") from None

    async def _resolve(self, kind: str, body: tuple[Any, ...], seen: Callable[[Found], None]) -> None:
        interface, protocol, name, _kind, domain = body[:5]
        failed: BusError | None = None
        async with self._resolving:
            for wanted in (_IPV4, _ANY):
                question = (interface, protocol, name, kind, domain, wanted, 0)
                try:
                    answer = await self._bus.call(_SERVER, "ResolveService", "iisssiu", question)
                    break
                except BusError as error:
                    failed = error
            else:
                _log.debug("%s was announced and cannot be resolved: %s", name, failed)
                return
        host, address, port, texts = answer[5], answer[7], answer[8], answer[9]
        seen(Found(kind, str(name), str(host), (str(address),), int(port), read_texts([bytes(text) for text in texts])))

    def _spawn(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            _log.warning("avahi: %s", error)

    async def close(self, goodbye: bool = True) -> None:
        """avahi says good-bye for us; it always does."""
        self.withdraw()

    def withdraw(self) -> None:
        for task in tuple(self._tasks):
            task.cancel()
        self._bus.close()
