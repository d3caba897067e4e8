# SPDX-License-Identifier: GPL-3.0-or-later
"""The wake server on multicast DNS: it publishes itself, and hears which machines do. Nobody becomes known by that."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import socket
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

from powernap.config.wake import WakeConfig
from powernap.net.discovery.base import CLIENTS, SERVERS, VERSION, Discovery, DiscoveryError, Found, Published
from powernap.net.discovery.by_zeroconf import speaks_from

_log = logging.getLogger(__name__)
#: Anybody on the network can announce as much as he likes.
_MOST = 10_000
#: Addresses come one after the other when a link comes up.
_SETTLING_SECONDS = 2.0


class Announcing:
    """`fingerprint()`: of the CA. Whatever fails here is one warning: hosts sleep and wake without it."""

    def __init__(self, config: WakeConfig, fingerprint: Callable[[], str]) -> None:
        self._config, self._fingerprint = config, fingerprint
        self._ways: list[Discovery] = []
        self._addresses: list[str] = []
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._announced: OrderedDict[str, dict[str, Any]] = OrderedDict()
        self.publishes = ""
        self.browses = ""
        self.trouble = ""

    def open(self) -> None:
        """Beside all else: it takes seconds."""
        if self._config.discovery.use != "off" and not _is_loopback(self._config.listen.address):
            self._task = asyncio.ensure_future(self._run())

    def interfaces_changed(self) -> None:
        """Sockets are of addresses: where those are others now, all is opened anew."""
        if self._task is not None and self._addresses != speaks_from(self._config.wake.interfaces):
            self._changed.set()

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        await self._leave()

    def status(self) -> dict[str, Any]:
        """For people: which way is used for what."""
        return {"publishes": self.publishes, "browses": self.browses, "trouble": self.trouble}

    def announced(self) -> list[dict[str, Any]]:
        """The machines that announce themselves, or did; the newest last."""
        return list(self._announced.values())

    async def _run(self) -> None:
        while True:
            self._changed.clear()
            await self._open()
            await self._changed.wait()
            await asyncio.sleep(_SETTLING_SECONDS)
            await self._leave()

    async def _leave(self) -> None:
        ways, self._ways = self._ways, []
        for way in ways:
            with contextlib.suppress(DiscoveryError, OSError):
                await way.close()

    async def _open(self) -> None:
        self.trouble = self.publishes = self.browses = ""
        self._addresses = speaks_from(self._config.wake.interfaces)
        try:
            await self._use(*await self._choose())
        except (DiscoveryError, OSError) as error:
            self.trouble = str(error)
            _log.warning("clients cannot find this wake server by themselves: %s", error)
        except Exception:  # noqa: BLE001  a defect of a library must not end the daemon
            self.trouble = "it failed: see the journal"
            _log.exception("multicast DNS failed: clients cannot find this wake server by themselves")

    async def _choose(self) -> tuple[Discovery, Discovery]:
        """Who publishes and who browses: avahi publishes where it runs, zeroconf browses where it is installed, since
        avahi loses services where there are more than a thousand. Raises DiscoveryError.
        """
        from powernap.net.discovery.choose import choose

        use, interfaces = self._config.discovery.use, self._config.wake.interfaces
        publisher = await choose(use, interfaces)
        self._ways.append(publisher)
        if use != "auto" or publisher.name.startswith("zeroconf"):
            return publisher, publisher
        try:
            browser = await choose("zeroconf", interfaces)
        except DiscoveryError as error:
            _log.info("%s browses as well: %s", publisher.name, error)
            return publisher, publisher
        self._ways.append(browser)
        return publisher, browser

    async def _use(self, publisher: Discovery, browser: Discovery) -> None:
        name = self._config.discovery.name or socket.gethostname().partition(".")[0]
        texts = {"v": VERSION, "id": name, "fp": self._fingerprint()}
        await browser.browse(CLIENTS, self._seen, self._gone)
        self.browses = browser.name
        await publisher.publish(Published(SERVERS, name, self._config.listen.port, texts))
        self.publishes = publisher.name
        _log.info("%s publishes this wake server as %s; %s hears of clients", publisher.name, name, browser.name)

    def _seen(self, found: Found) -> None:
        if found.name in self._announced:
            self._announced.move_to_end(found.name)
        elif len(self._announced) >= _MOST:
            self._announced.popitem(last=False)
        self._announced[found.name] = _told(found, True)

    def _gone(self, name: str) -> None:
        """It says so, or was not heard of for long, as who naps. Whether it is registered is another matter."""
        if name in self._announced:
            self._announced[name] = {**self._announced[name], "announced": False, "since": time.time()}


def _told(found: Found, announced: bool) -> dict[str, Any]:
    texts: Mapping[str, str] = found.texts
    return {
        "name": found.name,
        "addresses": list(found.addresses),
        "id": texts.get("id", ""),
        "macs": texts.get("mac", "").split(),
        "announced": announced,
        "since": time.time(),
    }


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"
