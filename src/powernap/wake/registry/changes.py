# SPDX-License-Identifier: GPL-3.0-or-later
"""What may be written into the registry. Each change runs in the writer's transaction and decides by what is on disk.

One that is refused (Conflict, Unknown) has written nothing yet.
"""

from __future__ import annotations

import ipaddress
import json
import secrets
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from powernap.net.interfaces import Interface
from powernap.shared.mac import format_mac, mac_bytes
from powernap.wake.model import Address, Sleep, State
from powernap.wake.registration import locate
from powernap.wake.registry.errors import Conflict, RegistryError, Unknown
from powernap.wake.registry.record import COLUMNS, ROWS_OF_HOST, Record, Row, record_of, row_of
from powernap.wake.registry.sleeps import split_macs, to_text

_SLEEP = "sleep = ?, sleep_macs = ?, wake_by = ?, lease_ends = ?, slept_at = coalesce(?, slept_at)"
_NO_SLEEP = (None,) * 5
#: With what the names of facts begin that say of a host, by its name, that its canary failed.
CANARY = "canary/"


class Change(Protocol):
    def apply(self, database: sqlite3.Connection) -> Any:
        pass


@dataclass(frozen=True)
class Enrol:
    """An administrator registers a host. Returns (changed, record)."""

    name: str
    macs: tuple[str, ...]
    addresses: tuple[str, ...]
    wake_on: str | None
    group: str
    interfaces: tuple[Interface, ...]
    at: float

    def apply(self, database: sqlite3.Connection) -> tuple[bool, Record]:
        old = read_record(database, self.name)
        facts = (self.macs, self.addresses, self.wake_on, self.group)
        if old is not None and (old.macs, old.addresses, old.wake_on, old.group) == facts:
            return False, old
        cards = tuple(mac_bytes(mac) for mac in self.macs)
        remedy = "'powerwake forget {0}' frees it"
        _refuse_cards(database, -1 if old is None else old.number, cards, remedy)
        written = (json.dumps(self.macs), json.dumps(self.addresses), self.wake_on, self.group, self.name)
        if old is None:
            database.execute(
                'INSERT INTO hosts (macs, addresses, wake_on, "group", name, key, registered_at, since)'
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (*written, secrets.token_hex(32), self.at, self.at),
            )
        else:
            database.execute(
                'UPDATE hosts SET macs = ?, addresses = ?, wake_on = ?, "group" = ? WHERE name = ?', written
            )
        new = read_record(database, self.name)
        assert new is not None
        asleep, own = database.execute(
            "SELECT sleep, ifnull(sleep_macs, x'') FROM hosts WHERE number = ?", (new.number,)
        ).fetchone()
        write_cards(database, new.number, (*split_macs(own), *cards))
        if asleep is None:
            write_places(database, new.number, locate(new.asked_at, cards, self.interfaces), False)
        return True, new


@dataclass(frozen=True)
class Forget:
    """Returns whether there was such a host."""

    name: str

    def apply(self, database: sqlite3.Connection) -> bool:
        found = database.execute("SELECT number FROM hosts WHERE name = ?", (self.name,)).fetchone()
        if found is None:
            return False
        database.execute("DELETE FROM facts WHERE name = ?", (CANARY + self.name,))
        for table, column in (("hosts", "number"), ("places", "host"), ("cards", "host"), ("registrations", "host")):
            database.execute(f"DELETE FROM {table} WHERE {column} = ?", found)
        return True


@dataclass(frozen=True)
class Register:
    """A host goes to sleep. Returns what was there of it before."""

    name: str
    sequence: int
    sleep: Sleep
    body: str
    said: tuple[str, ...]
    due: float
    at: float
    run: int

    def apply(self, database: sqlite3.Connection) -> Row:
        found = database.execute(ROWS_OF_HOST, (self.name,)).fetchall()
        if not found:
            raise Unknown.host(self.name)
        try:
            before = row_of(found)
        except (ValueError, TypeError) as error:
            raise RegistryError(
                f"what the registry has of {self.name} cannot be read ({error}): 'powerwake forget {self.name}' and "
                "register it anew"
            ) from None
        number = before.record.number
        _refuse_used(self.sequence, before.record.sequence)
        _refuse_cards(database, number, self.sleep.macs, "give each host its own cards")
        for address in self.sleep.addresses:
            other = database.execute(
                "SELECT name FROM places JOIN hosts ON number = host WHERE ip = ? AND segment = ? AND host <> ?"
                " AND sleep IS NOT NULL AND state <> 'awake'",
                (address.ip, address.segment, number),
            ).fetchone()
            if other is not None:
                ip = ipaddress.ip_address(address.ip)
                raise Conflict(f"{ip} belongs to {other[0]}, which sleeps: give one of the two another address")
        database.execute(
            f"UPDATE hosts SET sequence = ?, state = 'registered', since = ?, captured = 0, run = ?, due = ?, said = ?,"
            f" {_SLEEP} WHERE number = ?",
            (self.sequence, self.at, self.run, self.due, json.dumps(self.said), *_sleep(self.sleep, self.at), number),
        )
        database.execute("INSERT OR REPLACE INTO registrations (host, body) VALUES (?, ?)", (number, self.body))
        write_cards(database, number, (*self.sleep.macs, *map(mac_bytes, before.record.macs)))
        if self.sleep.addresses != before.addresses:
            write_places(database, number, self.sleep.addresses, True)
        return before


@dataclass(frozen=True)
class Hello:
    """A host is awake."""

    name: str
    sequence: int
    interfaces: tuple[Interface, ...]
    at: float

    def apply(self, database: sqlite3.Connection) -> None:
        number = spoken(database, self.name, self.sequence)
        database.execute(
            f"UPDATE hosts SET sequence = ?, since = CASE state WHEN 'awake' THEN since ELSE ? END, state = 'awake',"
            f" captured = 0, due = NULL, {_SLEEP} WHERE number = ?",
            (self.sequence, self.at, *_NO_SLEEP, number),
        )
        database.execute("DELETE FROM registrations WHERE host = ?", (number,))
        record = read_record(database, self.name)
        assert record is not None
        macs = tuple(mac_bytes(mac) for mac in record.macs)
        write_cards(database, number, macs)
        write_places(database, number, locate(record.asked_at, macs, self.interfaces), False)


@dataclass(frozen=True)
class Save:
    """What became of a host."""

    number: int
    state: State
    since: float
    captured: bool
    due: float | None
    run: int
    sleep: Sleep | None
    macs: tuple[bytes, ...]
    addresses: tuple[Address, ...]

    def apply(self, database: sqlite3.Connection) -> None:
        written = database.execute(
            f"UPDATE hosts SET state = ?, since = ?, captured = ?, due = ?, run = ?, {_SLEEP} WHERE number = ?",
            (
                self.state.value,
                self.since,
                self.captured,
                self.due,
                self.run,
                *(_NO_SLEEP if self.sleep is None else _sleep(self.sleep, None)),
                self.number,
            ),
        )
        if not written.rowcount:
            return  # forgotten meanwhile
        if self.sleep is None:
            database.execute("DELETE FROM registrations WHERE host = ?", (self.number,))
        write_cards(database, self.number, self.macs)
        write_places(database, self.number, self.addresses, self.sleep is not None)


@dataclass(frozen=True)
class LastWake:
    name: str
    last_wake: dict[str, Any]

    def apply(self, database: sqlite3.Connection) -> None:
        database.execute("UPDATE hosts SET last_wake = ? WHERE name = ?", (json.dumps(self.last_wake), self.name))


@dataclass(frozen=True)
class Move:
    """Interfaces have changed: hosts (by number) lie elsewhere now."""

    places: dict[int, tuple[Address, ...]]

    def apply(self, database: sqlite3.Connection) -> None:
        for number, addresses in self.places.items():
            found = database.execute("SELECT sleep FROM hosts WHERE number = ?", (number,)).fetchone()
            if found is not None:
                write_places(database, number, addresses, found[0] is not None)


@dataclass(frozen=True)
class Fact:
    """One thing to know of the whole file."""

    name: str
    value: str | float

    def apply(self, database: sqlite3.Connection) -> None:
        database.execute("INSERT OR REPLACE INTO facts (name, value) VALUES (?, ?)", (self.name, self.value))


def read_record(database: sqlite3.Connection, name: str) -> Record | None:
    row = database.execute(f"SELECT {COLUMNS} FROM hosts WHERE name = ?", (name,)).fetchone()
    return None if row is None else record_of(row)


def spoken(database: sqlite3.Connection, name: str, sequence: int) -> int:
    """The number of the host, which has not used this sequence number before. Raises Unknown, Conflict."""
    found = database.execute("SELECT number, sequence FROM hosts WHERE name = ?", (name,)).fetchone()
    if found is None:
        raise Unknown.host(name)
    _refuse_used(sequence, found[1])
    return int(found[0])


def _refuse_used(sequence: int, last: int) -> None:
    if sequence <= last:
        raise Conflict(f"sequence number {sequence} was used before: send a greater one")


def _refuse_cards(database: sqlite3.Connection, number: int, cards: Iterable[bytes], remedy: str) -> None:
    for mac in cards:
        other = database.execute(
            "SELECT name FROM cards JOIN hosts ON number = host WHERE mac = ? AND host <> ?", (mac, number)
        ).fetchone()
        if other is not None:
            raise Conflict(f"{format_mac(mac)} is registered for {other[0]}: {remedy.format(other[0])}")


def write_cards(database: sqlite3.Connection, number: int, macs: Iterable[bytes]) -> None:
    wanted = set(macs)
    known = {mac for (mac,) in database.execute("SELECT mac FROM cards WHERE host = ?", (number,))}
    for mac in known - wanted:
        database.execute("DELETE FROM cards WHERE mac = ?", (mac,))
    for mac in wanted - known:
        database.execute("INSERT OR IGNORE INTO cards (mac, host) VALUES (?, ?)", (mac, number))


def write_places(database: sqlite3.Connection, number: int, addresses: tuple[Address, ...], asleep: bool) -> None:
    """An address that another host had goes over to this one; but one of a sleeper only to another sleeper."""
    known = database.execute("SELECT segment, ip, mac FROM places WHERE host = ? ORDER BY nth", (number,)).fetchall()
    if known == list(addresses):
        return
    database.execute("DELETE FROM places WHERE host = ?", (number,))
    for nth, (segment, ip, mac) in enumerate(addresses):
        database.execute(
            "INSERT INTO places (segment, ip, mac, host, nth) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (ip, segment) DO UPDATE SET mac = excluded.mac, host = excluded.host, nth = excluded.nth"
            " WHERE ? OR NOT EXISTS (SELECT 1 FROM hosts WHERE number = places.host AND sleep IS NOT NULL)",
            (segment, ip, mac, number, nth, asleep),
        )


def _sleep(sleep: Sleep, at: float | None) -> tuple[object, ...]:
    return to_text(sleep), b"".join(sleep.macs), sleep.wake_by, sleep.lease_ends, at
