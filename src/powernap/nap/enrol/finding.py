# SPDX-License-Identifier: GPL-3.0-or-later
"""Find the wake server by multicast DNS, and publish this machine meanwhile: in a program that soon ends."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from powernap.config.sections.discovery import DiscoverySettings
from powernap.net.discovery.base import (
    CLIENTS,
    SERVERS,
    VERSION,
    DiscoveryError,
    Found,
    Published,
    fingerprint,
    server_url,
)
from powernap.net.discovery.choose import choose
from powernap.shared.errors import PowernapError


@dataclass(frozen=True)
class Server:
    """A wake server as it announces itself: a hint, and nothing to trust. ``fingerprint``: "" where it says none."""

    name: str
    url: str
    fingerprint: str


def published(name: str, macs: Iterable[str], machine: str) -> Published:
    """What this machine says of itself. It offers nothing to connect to: port 0."""
    texts: Mapping[str, str] = {"v": VERSION, "id": machine[:16], "mac": " ".join(macs)}
    return Published(CLIENTS, name, 0, texts)


def find(settings: DiscoverySettings, what: Published) -> list[Server]:
    """Look as long as is configured; blocks. Raises DiscoveryError."""
    return asyncio.run(_find(settings, what))


async def _find(settings: DiscoverySettings, what: Published) -> list[Server]:
    found: dict[str, Found] = {}
    way = await choose(settings.use)

    def seen(each: Found) -> None:
        found[each.name] = each

    try:
        await way.browse(SERVERS, seen, lambda name: None)
        if settings.publish != "never" and way.name.startswith("zeroconf"):  # avahi does it for powernapd itself
            await way.publish(what)
        await asyncio.sleep(settings.seconds)
    finally:
        # No good-bye: this machine goes on being there when this program has ended.
        await way.close(goodbye=False)
    servers = [Server(each.name, server_url(each), fingerprint(each)) for each in found.values()]
    return sorted((each for each in servers if each.url), key=lambda each: each.name)


def choose_server(servers: Iterable[Server], wanted: str) -> Server:
    """Which one to ask. ``wanted``: the beginning of its CA's fingerprint, or "". Raises PowernapError."""
    here = list(servers)
    fit = [each for each in here if each.fingerprint.startswith(wanted)] if wanted else here
    if len(fit) == 1 or len({each.fingerprint for each in fit if each.fingerprint}) == 1:
        return fit[0]
    if not here:
        raise DiscoveryError("no wake server announces itself on this network: set server.url")
    names = ", ".join(f"{each.name} ({each.fingerprint[:16] or 'no fingerprint'})" for each in here)
    if not fit:
        raise PowernapError(
            f"none of the wake servers here has the CA that is to be trusted: {names}: if one was set up anew, compare "
            "its fingerprint with 'powerwake status' there, and remove the file server.ca_file, or give a token of it"
        )
    raise PowernapError(
        f"{len(fit)} wake servers announce themselves: {names}: set server.url, or enrolment.fingerprint to that of one"
    )
