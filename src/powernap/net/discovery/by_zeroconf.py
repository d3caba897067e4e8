# SPDX-License-Identifier: GPL-3.0-or-later
"""Multicast DNS by python-zeroconf, from 0.47 on. It takes 20 MB and a timer: not for powernapd's own process."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import logging
import socket
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from powernap.net import interfaces as cards
from powernap.net.discovery.base import DiscoveryError, Found, Published, label, read_texts

if TYPE_CHECKING:
    from zeroconf import ServiceInfo, Zeroconf

_log = logging.getLogger(__name__)
_ASKING = 32
_ASK_MILLISECONDS = 3000


async def open_zeroconf(interfaces: Sequence[str] = ()) -> ByZeroconf:
    """Raises DiscoveryError where it is not installed, or the port is not to be had."""
    try:
        import zeroconf
    except ImportError:
        raise DiscoveryError("python-zeroconf is missing: install the package python3-zeroconf") from None
    # It tells of each send that fails with a traceback; a link that is down is no such news.
    logging.getLogger("zeroconf").setLevel(logging.ERROR)
    addresses = speaks_from(interfaces)
    if not addresses:
        raise DiscoveryError(f"{', '.join(interfaces) or 'no interface'}: no address to speak multicast DNS from")
    refused: OSError | None = None
    both = zeroconf.IPVersion.All if any(":" in address for address in addresses) else zeroconf.IPVersion.V4Only
    for version in dict.fromkeys((both, zeroconf.IPVersion.V4Only)):
        where = addresses if version is both else [address for address in addresses if ":" not in address]
        try:
            return ByZeroconf(where, version)
        except OSError as error:
            refused = error
            if error.errno == errno.EADDRINUSE:
                break
        except RuntimeError as error:  # no usable interface
            raise DiscoveryError(f"multicast DNS cannot be used: {error}") from None
    assert refused is not None
    taken = "another program holds its port 5353 alone" if refused.errno == errno.EADDRINUSE else refused.strerror
    raise DiscoveryError(f"multicast DNS cannot be used: {taken or refused}")


class ByZeroconf:
    def __init__(self, where: Any, version: Any) -> None:
        """Raises OSError."""
        import zeroconf
        from zeroconf.asyncio import AsyncZeroconf

        self.name = f"zeroconf {zeroconf.__version__}"
        self._zeroconf = AsyncZeroconf(interfaces=where, ip_version=version)
        self._published: dict[str, Any] = {}
        self._browsers: list[Any] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._asking = asyncio.Semaphore(_ASKING)

    async def publish(self, what: Published) -> None:
        from zeroconf import Error

        former = self._published.get(what.kind)
        info = self._info(what)
        try:
            if former is not None and former.name == info.name:
                await (await self._zeroconf.async_update_service(info))
            else:
                # A machine of that name may be there: then it gets another.
                await (await self._zeroconf.async_register_service(info, allow_name_change=True))
        except (Error, OSError) as error:
            raise DiscoveryError(f"{what.name} cannot be published: {str(error) or type(error).__name__}") from None
        self._published[what.kind] = info

    def _info(self, what: Published) -> ServiceInfo:
        from zeroconf.asyncio import AsyncServiceInfo

        kind = f"{what.kind}.local."
        host = label(socket.gethostname().partition(".")[0])
        return AsyncServiceInfo(
            kind,
            f"{label(what.name)}.{kind}",
            addresses=[address.packed for address in _own()],
            port=what.port,
            properties=dict(what.texts),
            server=f"{host}.local.",
        )

    async def browse(self, kind: str, seen: Callable[[Found], None], gone: Callable[[str], None]) -> None:
        from zeroconf import ServiceStateChange
        from zeroconf.asyncio import AsyncServiceBrowser

        def changed(zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange) -> None:
            if state_change is ServiceStateChange.Removed:
                gone(name.removesuffix(f".{service_type}"))
            else:
                task = asyncio.ensure_future(self._look(zeroconf, service_type, name, seen))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

        self._browsers.append(AsyncServiceBrowser(self._zeroconf.zeroconf, f"{kind}.local.", handlers=[changed]))

    async def _look(self, zeroconf: Zeroconf, kind: str, name: str, seen: Callable[[Found], None]) -> None:
        from zeroconf.asyncio import AsyncServiceInfo

        info = AsyncServiceInfo(kind, name)
        if not info.load_from_cache(zeroconf):
            async with self._asking:
                if not await info.async_request(zeroconf, _ASK_MILLISECONDS):
                    _log.debug("%s was announced and cannot be resolved", name)
                    return
        strings = [key + b"=" + value for key, value in info.properties.items() if value]
        addresses = tuple(info.parsed_addresses())
        plain = kind.removesuffix(".local.")
        seen(
            Found(
                plain, name.removesuffix(f".{kind}"), info.server or "", addresses, info.port or 0, read_texts(strings)
            )
        )

    async def close(self, goodbye: bool = True) -> None:
        for task in tuple(self._tasks):
            task.cancel()
        for browser in self._browsers:
            await browser.async_cancel()
        if goodbye:
            await self._zeroconf.async_close()
            return
        with contextlib.suppress(AttributeError):
            self._zeroconf.zeroconf.registry = type(self._zeroconf.zeroconf.registry)()  # then it has nothing to say
        await self._zeroconf.async_close()


def speaks_from(names: Sequence[str]) -> list[str]:
    """The addresses of these interfaces, or of all Ethernet ones that are up: IPv4, and IPv6 link-local ones."""
    found = [
        net.ip
        for card in cards.read().values()
        if (card.name in names if names else card.ethernet and card.up)
        for net in card.networks
        if net.version == 4 or net.ip.is_link_local
    ]
    return [str(ip) for ip in dict.fromkeys(found)]


def _own() -> list[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    """The machine's own addresses, without those that nobody else can use."""
    found = [net.ip for card in cards.read().values() if card.up and card.ethernet for net in card.networks]
    return [ip for ip in dict.fromkeys(found) if not ip.is_link_local] or found
