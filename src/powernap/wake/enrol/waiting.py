# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines that wait for an operator's word, on disk in access.sqlite: a bounded number, for a bounded time."""

from __future__ import annotations

import hashlib
import sqlite3
from dataclasses import dataclass, fields, replace
from enum import Enum
from typing import Any

from powernap.shared.errors import PowernapError
from powernap.wake.access.store import AccessError, Store
from powernap.wake.enrol.asked import Asked

#: Of those that may wait at most this part may come from one address.
_OF_ONE_SOURCE = 0.2
_LEAST_OF_ONE_SOURCE = 20


class Full(PowernapError):
    """As many machines wait as may."""


class Status(str, Enum):
    """`GRANTED`: it was let in, which the registry may not say yet. `COPY`: of a host, without a key of its own."""

    PENDING = "pending"
    GRANTED = "granted"
    REJECTED = "rejected"
    COPY = "copy"


@dataclass(frozen=True)
class Waiting:
    """Times are Unix times. `verdict`: Kind; `host`: which registered one it is like; `grant`, `group`, `by`: as what
    it was let in, and by whom; `macs`, `addresses`: space-separated.
    """

    key: str
    status: Status
    name: str
    verdict: str
    host: str
    why: str
    machine: str
    board: str
    hostname: str
    macs: str
    addresses: str
    source: str
    version: str
    first: float
    last: float
    asks: int = 1
    grant: str = ""
    group: str = ""
    replaces: bool = False
    by: str = ""

    @property
    def id(self) -> str:
        """Short, the same for the same key, and nothing of it can be told from it."""
        return hashlib.sha256(b"request " + self.key.encode()).hexdigest()[:8]

    def told(self) -> dict[str, Any]:
        """As operators see it."""
        return {
            "request": self.id,
            "name": self.name,
            "status": self.status.value,
            "verdict": self.verdict,
            "host": self.host,
            "why": self.why,
            "hostname": self.hostname,
            "macs": self.macs.split(),
            "addresses": self.addresses.split(),
            "source": self.source,
            "version": self.version,
            "first_asked": self.first,
            "last_asked": self.last,
            "asks": self.asks,
        }


_COLUMNS = ", ".join(f'"{field.name}"' for field in fields(Waiting))
_TABLE = f"CREATE TABLE IF NOT EXISTS waiting ({_COLUMNS.replace(chr(34) + 'key' + chr(34), 'key PRIMARY KEY', 1)})"


class WaitingRoom:
    """All are in memory, too. `most`, `seconds`: how many wait at most, and for how long without asking again."""

    def __init__(self, store: Store, most: int, seconds: float) -> None:
        self.most, self.seconds = most, seconds
        self._store = store
        self._all: dict[str, Waiting] = {}
        store.tables.append(_TABLE)

    def load(self) -> None:
        """Raises AccessError."""
        rows = self._store.do(lambda database: database.execute(f"SELECT {_COLUMNS} FROM waiting").fetchall())
        for key, status, *others in rows:
            self._all[key] = Waiting(key, Status(status), *others)

    def of(self, key: str) -> Waiting | None:
        return self._all.get(key)

    def all(self, now: float) -> list[Waiting]:
        """Who waits, the oldest first."""
        return sorted(
            (each for each in self._all.values() if each.status is not Status.GRANTED and self._lasts(each, now)),
            key=lambda each: each.first,
        )

    def granted(self) -> list[Waiting]:
        return [each for each in self._all.values() if each.status is Status.GRANTED]

    def find(self, said: str, now: float) -> list[Waiting]:
        """Those of that name, or the one of that request."""
        here = self.all(now)
        return [each for each in here if each.id == said] or [each for each in here if each.name == said]

    async def put(self, waiting: Waiting, now: float) -> None:
        """On disk when it returns. Raises Full, AccessError."""
        gone = [key for key, each in self._all.items() if not self._lasts(each, now)]
        for key in gone:
            del self._all[key]
        if waiting.key not in self._all:
            self._make_room(waiting)
        before = self._all.get(waiting.key)
        self._all[waiting.key] = waiting
        try:
            await self._store.transact(lambda database: _written(database, [waiting], gone))
        except AccessError:
            # What is not on disk was not granted, nor refused.
            if before is None:
                self._all.pop(waiting.key, None)
            else:
                self._all[waiting.key] = before
            raise

    def seen(self, waiting: Waiting) -> None:
        """It has asked again; that is not worth a write."""
        self._all[waiting.key] = waiting

    def writing(self, waiting: Waiting) -> Any:
        """What writes it, for a transaction of somebody else; then tell `seen`."""
        return lambda database: _written(database, [waiting], [])

    async def remove(self, key: str) -> None:
        """Raises AccessError."""
        await self._store.transact(lambda database: _written(database, [], [key]))
        self._all.pop(key, None)

    def _lasts(self, waiting: Waiting, now: float) -> bool:
        return waiting.status is Status.GRANTED or now - waiting.last < self.seconds

    def _make_room(self, waiting: Waiting) -> None:
        if len(self._all) >= self.most:
            raise Full(f"{self.most} machines wait already: approve or reject some ('powerwake pending')")
        of_one = max(_LEAST_OF_ONE_SOURCE, int(self.most * _OF_ONE_SOURCE))
        if sum(each.source == waiting.source for each in self._all.values()) >= of_one:
            raise Full(f"{of_one} machines that ask from {waiting.source} wait already: 'powerwake pending' shows them")


def waiting_of(asked: Asked, source: str, now: float, before: Waiting | None, **verdict: Any) -> Waiting:
    """The machine as it waits now."""
    shown = asked.shown
    made = Waiting(
        key=asked.key,
        status=Status.PENDING,
        name=asked.name,
        machine=shown.machine,
        board=shown.board,
        hostname=shown.hostname,
        macs=" ".join(shown.macs),
        addresses=" ".join(shown.addresses),
        source=source,
        version=asked.version,
        first=now,
        last=now,
        **verdict,
    )
    return made if before is None else replace(made, first=before.first, asks=before.asks + 1)


def same(one: Waiting, other: Waiting) -> bool:
    """Whether nothing has changed but how often it asked."""
    return replace(one, first=0.0, last=0.0, asks=0) == replace(other, first=0.0, last=0.0, asks=0)


def _written(database: sqlite3.Connection, put: list[Waiting], gone: list[str]) -> None:
    database.executemany("DELETE FROM waiting WHERE key = ?", [(key,) for key in (*gone, *(each.key for each in put))])
    marks = ", ".join("?" * len(fields(Waiting)))
    rows = [tuple(_plain(getattr(each, field.name)) for field in fields(each)) for each in put]
    database.executemany(f"INSERT INTO waiting ({_COLUMNS}) VALUES ({marks})", rows)


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, Enum) else value
