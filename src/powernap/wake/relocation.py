# SPDX-License-Identifier: GPL-3.0-or-later
"""Where hosts lie, after the networks of this machine have changed."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterable

from powernap.net.interfaces import Interface
from powernap.shared.mac import mac_bytes
from powernap.wake.clock import clock
from powernap.wake.model import Address, Sleep
from powernap.wake.registration import BadBody, NoSegment, locate, parse, resolve
from powernap.wake.registry import Journal, Registry
from powernap.wake.registry.changes import Fact, Move

_FACT = "networks"
_PAGE = 100


def changed(registry: Registry, interfaces: Iterable[Interface]) -> set[str]:
    """The segments whose networks are others than when the addresses on disk were last laid."""
    known = json.loads(registry.fact(_FACT, "{}"))
    return {name for name, networks in _networks(interfaces).items() if known.get(name) != networks}


def known_segments(registry: Registry) -> set[str]:
    """The names of those that ever had networks."""
    return set(json.loads(registry.fact(_FACT, "{}")))


def _networks(interfaces: Iterable[Interface]) -> dict[str, list[str]]:
    """Of interfaces that have any: one that is just coming up has none yet."""
    found = {
        interface.name: sorted({str(network.network) for network in interface.networks if not network.ip.is_link_local})
        for interface in interfaces
    }
    return {name: networks for name, networks in found.items() if networks}


async def relocate(
    registry: Registry,
    journal: Journal,
    interfaces: tuple[Interface, ...],
    moved: Callable[[str, tuple[Address, ...], Sleep | None], None],
) -> None:
    """`moved(name, addresses, sleep)` is called where a host lies elsewhere now."""
    after = 0
    while page := registry.numbers(after, _PAGE):
        after = page[-1][0]
        places = {}
        for number, name, asleep in page:
            sleep = _sleep(registry, number, interfaces) if asleep else None
            if asleep and sleep is None:
                continue
            addresses = _given(registry, name, interfaces) if sleep is None else sleep.addresses
            if addresses != registry.addresses(number):
                places[number] = addresses
                moved(name, addresses, sleep)
        if places:
            await journal.commit(Move(places))
        await asyncio.sleep(0)
    known = {**json.loads(registry.fact(_FACT, "{}")), **_networks(interfaces)}
    await journal.commit(Fact(_FACT, json.dumps(known)))


def _given(registry: Registry, name: str, interfaces: tuple[Interface, ...]) -> tuple[Address, ...]:
    record = registry.record(name)
    return locate(record.asked_at, tuple(mac_bytes(mac) for mac in record.macs), interfaces) if record else ()


def _sleep(registry: Registry, number: int, interfaces: tuple[Interface, ...]) -> Sleep | None:
    """None where it can lie nowhere here: it stays where it was."""
    found = registry.body(number)
    if found is None:
        return None
    body, slept_at = found
    try:
        return resolve(parse(body), interfaces, clock(), max(0.0, time.time() - slept_at))
    except (BadBody, NoSegment):
        return None
