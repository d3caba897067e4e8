# SPDX-License-Identifier: GPL-3.0-or-later
"""access.sqlite: what must be on disk before it is answered, but on which no wake depends.

The daemon runs without it: where it cannot be opened nobody has a token, and root still has the Unix socket.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from powernap.shared.errors import PowernapError

_log = logging.getLogger(__name__)
_T = TypeVar("_T")


class AccessError(PowernapError):
    """access.sqlite cannot be read or written."""


class Store:
    """One connection in a thread of its own. `tables`: statements CREATE TABLE IF NOT EXISTS, added before open()."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.tables: list[str] = []
        self._database: sqlite3.Connection | None = None
        self._thread: ThreadPoolExecutor | None = None

    def do(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        """`work` in one transaction, here and now: for the start. Raises AccessError, and what `work` raises."""
        try:
            if self._database is None:
                self._database = self._open()
            database = self._database
            database.execute("BEGIN IMMEDIATE")
            try:
                result = work(database)
                database.execute("COMMIT")
            except BaseException:
                if database.in_transaction:
                    database.execute("ROLLBACK")
                raise
        except (OSError, sqlite3.Error) as error:
            why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise AccessError(
                f"{self.path}: {why}: see that its directory is writable for powerwaked and has space; a damaged file "
                "is moved away, and every token made anew"
            ) from None
        return result

    async def transact(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        """`work` in one transaction, off the event loop; returns when it is on disk. Raises as do()."""
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="access")
        return await asyncio.get_running_loop().run_in_executor(self._thread, self.do, work)

    async def close(self) -> None:
        """Let what waits reach the disk."""
        if self._thread is not None:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
            self._thread.shutdown()
            self._thread = None
        else:
            self._close()

    def _open(self) -> sqlite3.Connection:
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        database = sqlite3.connect(self.path, timeout=2, isolation_level=None, check_same_thread=False)
        try:
            database.execute("PRAGMA journal_mode=WAL")
            database.execute("PRAGMA synchronous=FULL")
            for table in self.tables:
                database.execute(table)
        except BaseException:
            database.close()
            raise
        return database

    def _close(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None
