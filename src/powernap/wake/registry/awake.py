# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts that sleep here and those that do not, page by page."""

from __future__ import annotations

import json
from typing import NamedTuple

from powernap.wake.model import Address
from powernap.wake.registry.file import Registry


class Awake(NamedTuple):
    """`addresses`: on our segments; `elsewhere`: those of a host that has none there."""

    number: int
    name: str
    group: str
    addresses: tuple[Address, ...]
    elsewhere: tuple[str, ...]


def awake(registry: Registry, after: int, most: int) -> list[Awake]:
    """In the order of their numbers; those whose lease has ended, too. Raises RegistryError."""
    ask = registry.ask
    rows = ask(
        'SELECT number, name, "group", addresses, said FROM hosts'
        " WHERE number > ? AND sleep IS NULL AND state IN ('awake', 'expired') ORDER BY number LIMIT ?",
        after,
        most,
    )
    if not rows:
        return []
    places: dict[int, list[Address]] = {}
    span = (rows[0][0], rows[-1][0])
    for host, *place in ask("SELECT host, segment, ip, mac FROM places WHERE host BETWEEN ? AND ? ORDER BY nth", *span):
        places.setdefault(host, []).append(Address(*place))
    found = []
    for number, name, group, given, said in rows:
        here = tuple(places.get(number, ()))
        texts = () if here else json.loads(given) or json.loads(said)
        found.append(Awake(number, name, group, here, tuple(text.partition("/")[0] for text in texts)))
    return found


def asleep(registry: Registry, after: int, most: int) -> list[tuple[int, str, str]]:
    """All others, in the order of their numbers: number, state, and the action that was registered, "" for none.

    Plain tuples of SQLite's, for there may be a million. Raises RegistryError.
    """
    return registry.ask(
        "SELECT number, state, coalesce(json_extract(sleep, '$.action'), '') FROM hosts"
        " WHERE number > ? AND (state <> 'awake' OR sleep IS NOT NULL) AND state <> 'expired' ORDER BY number LIMIT ?",
        after,
        most,
    )


def members(registry: Registry, group: str, most: int) -> list[str]:
    """Names of the hosts of a group. Raises RegistryError."""
    ask = registry.ask
    return [name for (name,) in ask('SELECT name FROM hosts WHERE "group" = ? ORDER BY name LIMIT ?', group, most)]


def size(registry: Registry, group: str) -> int:
    """How many hosts are in a group. Raises RegistryError."""
    ask = registry.ask
    return int(ask('SELECT count(*) FROM hosts WHERE "group" = ?', group)[0][0])
