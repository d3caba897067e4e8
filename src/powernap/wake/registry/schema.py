# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables of the registry, and how a file of an older version becomes one of this version."""

from __future__ import annotations

import json
import sqlite3

from powernap.shared.mac import mac_bytes
from powernap.wake.model import Sleep
from powernap.wake.registration import BadBody, Registration, lease, parse, parse_object
from powernap.wake.registry.sleeps import to_text

VERSION = 2

# `number` is never used twice: the kernel may still hold it for a host that is forgotten.
# `since`, `registered_at`, `slept_at` are Unix times; `due`, `wake_by`, `lease_ends` are CLOCK_BOOTTIME seconds of the
# boot that `facts` names. `run`: the run of the daemon in which the host was last known to sleep for certain.
# `sleep` and what follows it is null while the host does not sleep.
_TABLES = (
    """
CREATE TABLE hosts (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    key TEXT NOT NULL,
    macs TEXT NOT NULL,
    addresses TEXT NOT NULL,
    said TEXT NOT NULL DEFAULT '[]',
    wake_on TEXT,
    "group" TEXT NOT NULL DEFAULT '',
    registered_at REAL NOT NULL,
    sequence INTEGER NOT NULL DEFAULT 0,
    state TEXT NOT NULL DEFAULT 'awake',
    since REAL NOT NULL,
    captured INTEGER NOT NULL DEFAULT 0,
    run INTEGER NOT NULL DEFAULT 0,
    last_wake TEXT,
    due REAL,
    sleep TEXT,
    sleep_macs BLOB,
    slept_at REAL,
    wake_by REAL,
    lease_ends REAL
) STRICT""",
    """
CREATE TABLE places (
    ip BLOB NOT NULL,
    segment TEXT NOT NULL,
    mac BLOB NOT NULL,
    host INTEGER NOT NULL,
    nth INTEGER NOT NULL,
    PRIMARY KEY (ip, segment)
) STRICT, WITHOUT ROWID""",
    "CREATE TABLE cards (mac BLOB NOT NULL PRIMARY KEY, host INTEGER NOT NULL) STRICT, WITHOUT ROWID",
    "CREATE TABLE registrations (host INTEGER PRIMARY KEY, body TEXT NOT NULL) STRICT",
    "CREATE TABLE facts (name TEXT PRIMARY KEY, value ANY) STRICT, WITHOUT ROWID",
)
#: Hosts that are not just awake; what is said here and in a query must be the same words for the index to be used.
WATCHED = "(state <> 'awake' OR sleep IS NOT NULL)"
_ONCE_LEFT_OUT = {"lease_seconds": 86400, "tcp_ports": "", "udp_ports": ""}
_INDEXES = (
    "CREATE INDEX hosts_due ON hosts (due) WHERE due IS NOT NULL",
    f"CREATE INDEX hosts_watched ON hosts (number) WHERE {WATCHED}",
    "CREATE INDEX places_host ON places (host)",
    "CREATE INDEX cards_host ON cards (host)",
)


def prepare(database: sqlite3.Connection, now: float, boottime: float) -> None:
    """Create the tables, or bring an older file to this version, all or nothing."""
    if database.execute("PRAGMA user_version").fetchone()[0] == VERSION:
        return  # nothing to write, for which the disk might have no space
    database.execute("BEGIN IMMEDIATE")
    try:
        version = database.execute("PRAGMA user_version").fetchone()[0]
        if version == 1:
            database.execute("ALTER TABLE hosts RENAME TO hosts_1")
        if version < VERSION:
            for statement in (*_TABLES, *_INDEXES):
                database.execute(statement if sqlite3.sqlite_version_info >= (3, 37) else _loose(statement))
        if version == 1:
            _from_1(database, now, boottime)
            database.execute("DROP TABLE hosts_1")
        database.execute(f"PRAGMA user_version={VERSION}")
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise


def _loose(statement: str) -> str:
    """Older SQLite knows no strict tables."""
    return statement.replace(") STRICT, WITHOUT", ") WITHOUT").replace(") STRICT", ")").replace("value ANY", "value")


def _from_1(database: sqlite3.Connection, now: float, boottime: float) -> None:
    """Where the addresses lie is found when the daemon has seen its interfaces."""
    database.execute(
        "INSERT INTO hosts (name, key, macs, addresses, wake_on, registered_at, sequence, state, since, last_wake)"
        " SELECT name, key, macs, addresses, wake_on, registered_at, sequence, state, since, last_wake"
        " FROM hosts_1 ORDER BY name"
    )
    for number, macs in database.execute("SELECT number, macs FROM hosts").fetchall():
        for mac in json.loads(macs):
            database.execute("INSERT OR IGNORE INTO cards (mac, host) VALUES (?, ?)", (mac_bytes(mac), number))
    asleep = database.execute(
        "SELECT number, hosts_1.sleep, hosts_1.slept_at FROM hosts JOIN hosts_1 USING (name)"
        " WHERE hosts_1.sleep IS NOT NULL"
    )
    for number, body, slept_at in asleep.fetchall():
        try:
            body = json.dumps({**_ONCE_LEFT_OUT, **parse_object(body)})
            registration = parse(body)
        except BadBody:
            # It was accepted once; now it cannot be stood in for, and is asked like one that is awake.
            database.execute("UPDATE hosts SET state = 'awake' WHERE number = ?", (number,))
            continue
        _sleeps(database, number, body, registration, slept_at, boottime, max(0.0, now - slept_at))


def _sleeps(
    database: sqlite3.Connection,
    number: int,
    body: str,
    registration: Registration,
    slept_at: float,
    boottime: float,
    slept: float,
) -> None:
    wake_by, lease_ends = lease(registration, boottime, slept)
    cards = tuple(dict.fromkeys(card.mac for card in registration.cards))
    said = [text for card in registration.cards for text in card.addresses]
    sleep = Sleep(
        registration.action, (), cards, registration.tcp, registration.udp, registration.password, lease_ends, wake_by
    )
    database.execute(
        "UPDATE hosts SET sleep = ?, sleep_macs = ?, slept_at = ?, wake_by = ?, lease_ends = ?, due = ?, said = ?"
        " WHERE number = ?",
        (to_text(sleep), b"".join(cards), slept_at, wake_by, lease_ends, wake_by, json.dumps(said), number),
    )
    database.execute("INSERT INTO registrations (host, body) VALUES (?, ?)", (number, body))
    for mac in cards:
        database.execute("INSERT OR IGNORE INTO cards (mac, host) VALUES (?, ?)", (mac, number))
