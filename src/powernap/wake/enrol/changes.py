# SPDX-License-Identifier: GPL-3.0-or-later
"""What enrolment writes into the registry; each in the writer's transaction, and once more does no harm."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass

from powernap.net.interfaces import Interface
from powernap.shared.mac import mac_bytes
from powernap.wake.registration import locate
from powernap.wake.registry.changes import CANARY, read_record, write_cards, write_places
from powernap.wake.registry.errors import Conflict, Unknown
from powernap.wake.registry.record import Record


@dataclass(frozen=True)
class Admit:
    """A machine becomes a host by the key that it has made. Returns the record.

    `replaces`: it takes the place of the host of that name, whose key is worth nothing from then on. A card that is
    another host's stays that one's.
    """

    name: str
    key: str
    macs: tuple[str, ...]
    said: tuple[str, ...]
    group: str
    replaces: bool
    interfaces: tuple[Interface, ...]
    at: float

    def apply(self, database: sqlite3.Connection) -> Record:
        old = read_record(database, self.name)
        if old is not None and old.key == self.key:
            return old
        if old is not None and not self.replaces:
            raise Conflict(f"{self.name} is registered: give another name ('powerwake approve … --as NAME')")
        macs = _free(database, -1 if old is None else old.number, self.macs)
        if not macs:
            raise Conflict(f"all cards of {self.name} are other machines': 'powerwake forget' frees them")
        said = json.dumps(self.said)
        if old is None:
            database.execute(
                'INSERT INTO hosts (macs, addresses, said, "group", name, key, registered_at, since)'
                " VALUES (?, '[]', ?, ?, ?, ?, ?, ?)",
                (json.dumps(macs), said, self.group, self.name, self.key, self.at, self.at),
            )
        else:
            database.execute(
                "UPDATE hosts SET macs = ?, said = ?, key = ?, sequence = 0 WHERE number = ?",
                (json.dumps(macs), said, self.key, old.number),
            )
        return _laid_anew(database, self.name, self.interfaces)


@dataclass(frozen=True)
class Follow:
    """A host has other cards. Returns the record as it is then."""

    name: str
    macs: tuple[str, ...]
    said: tuple[str, ...]
    interfaces: tuple[Interface, ...]

    def apply(self, database: sqlite3.Connection) -> Record:
        old = read_record(database, self.name)
        if old is None:
            raise Unknown.host(self.name)
        macs = _free(database, old.number, self.macs)
        if not macs:
            return old
        database.execute(
            "UPDATE hosts SET macs = ?, said = ? WHERE number = ?",
            (json.dumps(macs), json.dumps(self.said or old.said), old.number),
        )
        return _laid_anew(database, self.name, self.interfaces)


@dataclass(frozen=True)
class Rename:
    """Returns whether it was: a name that another host has stays that one's."""

    old: str
    new: str

    def apply(self, database: sqlite3.Connection) -> bool:
        if read_record(database, self.new) is not None:
            return False
        database.execute("UPDATE OR REPLACE facts SET name = ? WHERE name = ?", (CANARY + self.new, CANARY + self.old))
        return bool(database.execute("UPDATE hosts SET name = ? WHERE name = ?", (self.new, self.old)).rowcount)


def _free(database: sqlite3.Connection, number: int, macs: tuple[str, ...]) -> tuple[str, ...]:
    """Those of the cards that no other host has."""
    taken = "SELECT 1 FROM cards WHERE mac = ? AND host <> ?"
    return tuple(mac for mac in macs if database.execute(taken, (mac_bytes(mac), number)).fetchone() is None)


def _laid_anew(database: sqlite3.Connection, name: str, interfaces: tuple[Interface, ...]) -> Record:
    new = read_record(database, name)
    assert new is not None
    cards = tuple(mac_bytes(mac) for mac in new.macs)
    asleep, own = database.execute(
        "SELECT sleep, ifnull(sleep_macs, x'') FROM hosts WHERE number = ?", (new.number,)
    ).fetchone()
    asleep_with = (own[at : at + 6] for at in range(0, len(own), 6))
    write_cards(database, new.number, (*asleep_with, *cards))
    if asleep is None:
        write_places(database, new.number, locate(new.asked_at, cards, interfaces), False)
    return new
