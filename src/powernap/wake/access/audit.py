# SPDX-License-Identifier: GPL-3.0-or-later
"""Who asked for what changing thing, when, and what came of it: the last `days`, at most `most` entries.

Nothing waits for it and nothing is refused for it: waking must work on a full disk. An entry that cannot be written
goes to the log, whole.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
import time
from dataclasses import asdict, astuple, dataclass, fields
from typing import Any

from powernap.wake.access.store import AccessError, Store

_log = logging.getLogger(__name__)
_MOST = 100_000
_MOST_WAITING = 10_000


@dataclass
class Entry:
    """`at`: Unix time. `status` of HTTP and `seconds` are None while it runs, or where powerwaked ended meanwhile."""

    at: float
    who: str
    role: str
    address: str
    method: str
    path: str
    body: str
    status: int | None = None
    outcome: str = ""
    seconds: float | None = None
    number: int = 0


_COLUMNS = ", ".join(field.name for field in fields(Entry))
_TABLE = (
    "CREATE TABLE IF NOT EXISTS audit (at NOT NULL, who NOT NULL, role NOT NULL, address NOT NULL, method NOT NULL, "
    "path NOT NULL, body NOT NULL, status, outcome NOT NULL, seconds, number INTEGER PRIMARY KEY)"
)


class Audit:
    """`days`: older entries go."""

    def __init__(self, store: Store, days: float) -> None:
        self.days = days
        self._store = store
        self._waiting: dict[int, Entry] = {}
        self._task: asyncio.Task[None] | None = None
        self._last = 0
        store.tables += (_TABLE, "CREATE INDEX IF NOT EXISTS audit_at ON audit (at)")

    def load(self) -> None:
        """Raises AccessError."""
        self._last = self._store.do(
            lambda database: int(database.execute("SELECT ifnull(max(number), 0) FROM audit").fetchone()[0])
        )

    def begin(self, entry: Entry) -> None:
        self._put(entry)

    def end(self, entry: Entry, status: int, outcome: str) -> None:
        """Also of one that was refused before it began."""
        entry.status, entry.outcome, entry.seconds = status, outcome, round(time.time() - entry.at, 3)
        self._put(entry)

    async def last(self, most: int, before: int | None = None) -> list[dict[str, Any]]:
        """The newest first. Raises AccessError."""
        await self.flush()
        sql = f"SELECT {_COLUMNS} FROM audit WHERE number < ? ORDER BY number DESC LIMIT ?"
        bound = (before if before is not None else 2**62, most)
        rows = await self._store.transact(lambda database: database.execute(sql, bound).fetchall())
        return [asdict(Entry(*row)) for row in rows]

    async def flush(self) -> None:
        if self._task is not None:
            await asyncio.shield(self._task)

    def _put(self, entry: Entry) -> None:
        if not entry.number:
            self._last += 1
            entry.number = self._last
        if len(self._waiting) >= _MOST_WAITING:
            _to_log(entry)
            return
        self._waiting[entry.number] = entry
        if self._task is None or self._task.done():
            self._task = asyncio.ensure_future(self._write())

    async def _write(self) -> None:
        while self._waiting:
            rows = {number: astuple(entry) for number, entry in self._waiting.items()}
            entries, self._waiting = self._waiting, {}
            oldest = (time.time() - self.days * 86400, self._last - _MOST)

            def write(
                database: sqlite3.Connection,
                rows: dict[int, tuple[Any, ...]] = rows,
                oldest: tuple[float, int] = oldest,
            ) -> None:
                marks = ", ".join("?" * len(fields(Entry)))
                database.executemany(f"INSERT OR REPLACE INTO audit ({_COLUMNS}) VALUES ({marks})", rows.values())
                database.execute("DELETE FROM audit WHERE at < ? OR number <= ?", oldest)

            try:
                await self._store.transact(write)
            except AccessError as error:
                _log.warning("the audit log goes here: %s", error)
                for entry in entries.values():
                    _to_log(entry)


def _to_log(entry: Entry) -> None:
    _log.warning("audit: %s", json.dumps(asdict(entry)))
