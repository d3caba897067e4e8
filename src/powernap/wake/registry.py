# SPDX-License-Identifier: GPL-3.0-or-later
"""What must survive a restart: hosts, their keys, and who sleeps. SQLite; the daemon reads it once."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from powernap.shared.errors import PowernapError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS hosts (
    name TEXT PRIMARY KEY,
    key TEXT NOT NULL,
    macs TEXT NOT NULL,
    addresses TEXT NOT NULL,
    wake_on TEXT,
    registered_at REAL NOT NULL,
    sequence INTEGER NOT NULL,
    state TEXT NOT NULL,
    since REAL NOT NULL,
    sleep TEXT,
    slept_at REAL NOT NULL,
    last_wake TEXT
) STRICT
"""
_VERSION = 1


class RegistryError(PowernapError):
    """The registry cannot be read or written; nothing may be acknowledged that is not in it."""


@dataclass(frozen=True)
class Record:
    """One host. Times are Unix times; `sleep` is the registration as the host sent it, while the host sleeps."""

    name: str
    key: str
    macs: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    wake_on: str | None = None
    registered_at: float = 0.0
    sequence: int = 0
    state: str = "awake"
    since: float = 0.0
    sleep: str | None = None
    slept_at: float = 0.0
    last_wake: dict[str, Any] | None = None


_COLUMNS = tuple(field.name for field in fields(Record))
_AS_JSON = frozenset(("macs", "addresses", "last_wake"))
_PUT = f"INSERT OR REPLACE INTO hosts ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"


class Registry:
    """The file. Calls block on the disk; Journal keeps them off the event loop."""

    def __init__(self, path: str) -> None:
        """Open or create. Raises RegistryError."""
        self.path = path
        try:
            # Keys are inside: nobody else may read it, from the first moment. SQLite's side files inherit the mode.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            Path(path).chmod(0o600)
            self._database = sqlite3.connect(path, timeout=5, isolation_level=None, check_same_thread=False)
            self._database.execute("PRAGMA journal_mode=WAL")
            self._database.execute("PRAGMA synchronous=FULL")
            version = self._database.execute("PRAGMA user_version").fetchone()[0]
            if version > _VERSION:
                raise RegistryError(f"{path}: a newer powerwaked wrote this registry: install that version again")
            self._database.execute(_SCHEMA.replace(" STRICT", "") if sqlite3.sqlite_version_info < (3, 37) else _SCHEMA)
            self._database.execute(f"PRAGMA user_version={_VERSION}")
        except (OSError, sqlite3.Error) as error:
            raise RegistryError(
                f"{path}: cannot open the registry ({_reason(error)}): see that its directory exists, is writable for "
                "powerwaked and has space, or set registry.path"
            ) from error

    def load(self) -> list[Record]:
        try:
            rows = self._database.execute(f"SELECT {', '.join(_COLUMNS)} FROM hosts ORDER BY name").fetchall()
            return [_record(dict(zip(_COLUMNS, row, strict=True))) for row in rows]
        except (sqlite3.Error, ValueError, TypeError) as error:
            raise RegistryError(
                f"{self.path}: cannot read the registry ({_reason(error)}): restore it from a backup, or move it away "
                "and run the site playbook"
            ) from error

    def apply(self, changes: Iterable[Record | str]) -> None:
        """Save records and delete names, all or nothing, on disk when it returns. Raises RegistryError."""
        try:
            self._database.execute("BEGIN IMMEDIATE")
            try:
                for change in changes:
                    if isinstance(change, str):
                        self._database.execute("DELETE FROM hosts WHERE name = ?", (change,))
                    else:
                        self._database.execute(_PUT, _row(change))
                self._database.execute("COMMIT")
            except sqlite3.Error:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise RegistryError(
                f"{self.path}: cannot write the registry ({_reason(error)}): free space on its file system and see "
                "that powerwaked may write there; until then no host can register"
            ) from error

    def close(self) -> None:
        self._database.close()


def _reason(error: Exception) -> str:
    return error.strerror if isinstance(error, OSError) and error.strerror else str(error)


def _row(record: Record) -> tuple[object, ...]:
    values = []
    for column in _COLUMNS:
        value = getattr(record, column)
        values.append(json.dumps(value) if column in _AS_JSON and value is not None else value)
    return tuple(values)


def _record(row: dict[str, Any]) -> Record:
    for column in _AS_JSON:
        if row[column] is not None:
            row[column] = json.loads(row[column])
    row["macs"], row["addresses"] = tuple(row["macs"]), tuple(row["addresses"])
    return Record(**row)


class Journal:
    """Writes changes in the order given, off the event loop; those that wait meanwhile share one transaction."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="registry")
        self._waiting: list[tuple[Record | str, asyncio.Future[None]]] = []
        self._writer: asyncio.Task[None] | None = None

    async def commit(self, change: Record | str) -> None:
        """Returns when it is on disk. Raises RegistryError."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((change, done))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.ensure_future(self._write())
        await done

    async def _write(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            batch, self._waiting = self._waiting, []
            try:
                await loop.run_in_executor(self._thread, self._registry.apply, [change for change, _done in batch])
            except RegistryError as error:
                for _change, done in batch:
                    if not done.done():
                        done.set_exception(RegistryError(str(error)))
            else:
                for _change, done in batch:
                    if not done.done():
                        done.set_result(None)

    async def close(self) -> None:
        """Let what waits reach the disk."""
        if self._writer is not None:
            await self._writer
        self._thread.shutdown()
        self._registry.close()
