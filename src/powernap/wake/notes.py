# SPDX-License-Identifier: GPL-3.0-or-later
"""What is worth keeping over a restart but costs no wake when lost: SQLite beside the registry.

Nobody waits for it and nothing depends on it. A full disk loses notes; a damaged file is begun anew.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

_log = logging.getLogger(__name__)
_MOST_WAITING = 10_000
_SIDE_FILES = ("", "-wal", "-shm")

Statement = tuple[str, Sequence[Any]]


class Notes:
    """Tables of bounded length. All methods belong to the event loop's thread; none of them raises."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.dropped = 0
        self._tables: dict[str, tuple[str, int]] = {}
        self._writer: sqlite3.Connection | None = None
        self._reader: sqlite3.Connection | None = None
        self._file = self._read_file = 0
        self._waiting: list[tuple[Statement, asyncio.Future[None]]] = []
        self._thread: ThreadPoolExecutor | None = None
        self._task: asyncio.Task[None] | None = None
        self._complained = False

    def add_table(self, name: str, columns: str, most: int = 10_000) -> None:
        """Before the first write or read. Of more than `most` rows the oldest go; a table with other columns goes too.

        `columns`: what CREATE TABLE has in its parentheses. The table keeps its rowid, from which a row's age is known.
        """
        self._tables[name] = (columns, most)

    def write(self, sql: str, parameters: Sequence[Any] = ()) -> asyncio.Future[None]:
        """Queue one statement; it is done off the event loop. The future may be awaited or dropped: it never fails."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if len(self._waiting) >= _MOST_WAITING:
            self.dropped += 1
            done.set_result(None)
            return done
        self._waiting.append(((sql, parameters), done))
        if self._task is None or self._task.done():
            self._task = asyncio.ensure_future(self._write())
        return done

    def read(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """What has been written by now; empty where it cannot be read."""
        try:
            if self._reader is None or self._read_file != self._file:
                self._close_reader()
                self._read_file = self._file
                self._reader = self._open()
            return self._reader.execute(sql, parameters).fetchall()
        except (OSError, sqlite3.Error) as error:
            self._complain("read", error)
            self._close_reader()
            return []

    async def close(self) -> None:
        """Let what waits reach the disk."""
        if self._task is not None:
            await self._task
        if self._thread is not None:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._close_writer)
            self._thread.shutdown()
            self._thread = None
        self._close_reader()

    async def _write(self) -> None:
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="notes")
        loop = asyncio.get_running_loop()
        while self._waiting:
            batch, self._waiting = self._waiting, []
            lost = await loop.run_in_executor(self._thread, self._apply, [statement for statement, _done in batch])
            self.dropped += lost
            for _statement, done in batch:
                if not done.done():
                    done.set_result(None)

    # In the thread

    def _apply(self, statements: list[Statement]) -> int:
        """In one transaction; where that fails, each by itself. Returns how many were lost."""
        try:
            self._run(statements)
            self._complained = False
            return 0
        except (OSError, sqlite3.Error) as error:
            self._recover(error)
        lost = 0
        for statement in statements:
            try:
                self._run([statement])
            except (OSError, sqlite3.Error) as error:
                self._complain("write", error)
                lost += 1
                if isinstance(error, (OSError, sqlite3.OperationalError)):
                    return len(statements)  # the disk, not the statement
        return lost

    def _run(self, statements: list[Statement]) -> None:
        if self._writer is None:
            self._writer = self._open()
        database = self._writer
        database.execute("BEGIN IMMEDIATE")
        try:
            for sql, parameters in statements:
                database.execute(sql, parameters)
            database.execute("COMMIT")
        except BaseException:
            if database.in_transaction:
                database.execute("ROLLBACK")
            raise

    def _recover(self, error: OSError | sqlite3.Error) -> None:
        if error.__class__ is not sqlite3.DatabaseError:  # "malformed" and "not a database" are no subclass
            return
        _log.warning("%s is damaged (%s): notes are begun anew", self.path, error)
        self._close_writer()
        for suffix in _SIDE_FILES:
            with suppress(OSError):
                self.path.with_name(self.path.name + suffix).unlink()
        self._file += 1

    def _open(self) -> sqlite3.Connection:
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        database = sqlite3.connect(self.path, timeout=2, isolation_level=None, check_same_thread=False)
        try:
            database.execute("PRAGMA journal_mode=WAL")
            database.execute("PRAGMA synchronous=NORMAL")
            for name, (columns, most) in self._tables.items():
                _create(database, name, columns, most)
        except BaseException:
            database.close()
            raise
        return database

    def _close_writer(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _close_reader(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def _complain(self, what: str, error: Exception) -> None:
        if not self._complained:
            self._complained = True
            _log.warning("%s: cannot %s notes (%s); wakes go on without them", self.path, what, error)


def _create(database: sqlite3.Connection, name: str, columns: str, most: int) -> None:
    create = f"CREATE TABLE {name} ({columns})"
    found = database.execute("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?", (name,)).fetchone()
    if found is not None and found[0] != create:
        database.execute(f"DROP TABLE {name}")
        found = None
    if found is None:
        database.execute(create)
    database.execute(f"DROP TRIGGER IF EXISTS {name}_most")
    database.execute(
        f"CREATE TRIGGER {name}_most AFTER INSERT ON {name} BEGIN "
        f"DELETE FROM {name} WHERE rowid <= new.rowid - {int(most)}; END"
    )
