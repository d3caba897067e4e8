# SPDX-License-Identifier: GPL-3.0-or-later
"""What each host has shown of itself, in access.sqlite: no wake depends on it, and the next hello brings it again."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from dataclasses import astuple, dataclass, fields
from functools import partial

from powernap.wake.access.store import AccessError, Store

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Identity:
    """`key`: SHA-256 of the host's key, hex, so that what another key has shown counts for nothing.

    `macs`: of the cards that it had, space-separated; `former`: the name before it was renamed, or "".
    """

    name: str
    key: str
    machine: str = ""
    board: str = ""
    hostname: str = ""
    macs: str = ""
    former: str = ""


_COLUMNS = ", ".join(field.name for field in fields(Identity))
_TABLES = (
    "CREATE TABLE IF NOT EXISTS identities (name PRIMARY KEY, key NOT NULL, machine NOT NULL, board NOT NULL,"
    " hostname NOT NULL, macs NOT NULL, former NOT NULL)",
    "CREATE INDEX IF NOT EXISTS identities_key ON identities (key)",
    "CREATE INDEX IF NOT EXISTS identities_machine ON identities (machine) WHERE machine <> ''",
    "CREATE INDEX IF NOT EXISTS identities_board ON identities (board) WHERE board <> ''",
    "CREATE INDEX IF NOT EXISTS identities_former ON identities (former) WHERE former <> ''",
)


class Identities:
    """Read at once, by a connection of its own; written beside, all that changed meanwhile in one transaction."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._reader: sqlite3.Connection | None = None
        self._unwritten: dict[str, Identity | None] = {}
        self._writer: asyncio.Task[None] | None = None
        store.tables.extend(_TABLES)

    def of(self, name: str, key: str) -> Identity:
        """What the host has shown with that key (its SHA-256); empty where it has shown nothing."""
        found = self._by("name", name)
        return found[0] if found and found[0].key == key else Identity(name, key)

    def alike(self, key: str, machine: str, board: str) -> set[str]:
        """The names of hosts that have any of these."""
        wanted = (("key", key), ("machine", machine), ("board", board))
        return {found.name for column, value in wanted if value for found in self._by(column, value)}

    def now_called(self, former: str) -> str:
        """The name of the host that had this one before; "" where there is none."""
        found = self._by("former", former)
        return found[0].name if found else ""

    def put(self, identity: Identity) -> None:
        self._unwritten[identity.name] = identity
        self._write_soon()

    def forget(self, name: str) -> None:
        self._unwritten[name] = None
        self._write_soon()

    async def close(self) -> None:
        if self._writer is not None:
            await self._writer
        if self._reader is not None:
            self._reader.close()

    def _by(self, column: str, value: str) -> list[Identity]:
        fresh = [each for each in self._unwritten.values() if each is not None and getattr(each, column) == value]
        try:
            if self._reader is None:
                self._reader = sqlite3.connect(
                    f"file:{self._store.path}?mode=ro", uri=True, timeout=1, check_same_thread=False
                )
            rows = self._reader.execute(f"SELECT {_COLUMNS} FROM identities WHERE {column} = ?", (value,)).fetchall()
        except sqlite3.Error:
            return fresh  # it was said at the start that the file cannot be read
        return fresh + [Identity(*row) for row in rows if row[0] not in self._unwritten]

    def _write_soon(self) -> None:
        if self._writer is None or self._writer.done():
            self._writer = asyncio.ensure_future(self._write())

    async def _write(self) -> None:
        while self._unwritten:
            batch = dict(self._unwritten)
            try:
                await self._store.transact(partial(_replace, batch))
            except AccessError as error:
                _log.warning("%s", error)
                self._unwritten.clear()  # the next hello says it again
                return
            for name, identity in batch.items():
                if self._unwritten.get(name) is identity:
                    del self._unwritten[name]


def _replace(batch: dict[str, Identity | None], database: sqlite3.Connection) -> None:
    database.executemany("DELETE FROM identities WHERE name = ?", [(name,) for name in batch])
    marks = ", ".join("?" * len(fields(Identity)))
    rows = [astuple(each) for each in batch.values() if each is not None]
    database.executemany(f"INSERT INTO identities ({_COLUMNS}) VALUES ({marks})", rows)
