# SPDX-License-Identifier: GPL-3.0-or-later
"""The registry's file: one connection that writes, and one that reads without waiting for it."""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from powernap.shared.errors import PowernapError
from powernap.wake.model import Address
from powernap.wake.registry import resting
from powernap.wake.registry.changes import Change, Fact
from powernap.wake.registry.errors import RegistryError, reason
from powernap.wake.registry.record import COLUMNS, ROWS_OF_HOST, ROWS_OF_OWNER, Record, Row, record_of, row_of
from powernap.wake.registry.resting import Page, Rest
from powernap.wake.registry.schema import VERSION, WATCHED, prepare

_log = logging.getLogger(__name__)
_CACHE_KIB = 2000
_DAMAGED = "restore it from a backup, or move it away and run the site playbook"
_OUT_OF_REACH = "see that its directory exists, is writable for powerwaked and has space, or set registry.path"


_NOT_UNDERSTOOD = (sqlite3.Error, ValueError, TypeError)


class Boot(NamedTuple):
    """Which boot of the machine this is, and the Unix time at its CLOCK_BOOTTIME 0."""

    id: str
    began: float

    @classmethod
    def now(cls) -> Boot:
        return cls(_boot_id(), time.time() - _boottime())


class Registry:
    """`run` counts the daemon's starts. Writing blocks on the disk: Journal keeps it off the event loop."""

    def __init__(self, path: str, boot_now: Callable[[], Boot] | None = None) -> None:
        """Open or create. Raises RegistryError."""
        self.path = path
        self._boot_now = boot_now or Boot.now
        boot = self._boot_now()
        self._began = boot.began
        self._owed: list[Change] = []
        try:
            _refuse_emptied(path)
            # Keys are inside: nobody else may read it, from the first moment. SQLite's side files inherit the mode.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            Path(path).chmod(0o600)
            self._writer = self._connect()
            if self._writer.execute("PRAGMA user_version").fetchone()[0] > VERSION:
                raise RegistryError(f"{path}: a newer powerwaked wrote this registry: install that version again")
            self._writer.execute("PRAGMA journal_mode=WAL")
            self._writer.execute("PRAGMA synchronous=FULL")
            prepare(self._writer, time.time(), time.time() - boot.began)
            self._reader = self._connect()
            self._reader.execute("PRAGMA query_only=1")
            self.run = self._begin(boot)
        except (OSError, sqlite3.Error, ValueError) as error:
            remedy = _DAMAGED if error.__class__ is sqlite3.DatabaseError else _OUT_OF_REACH
            raise RegistryError(f"{path}: cannot open the registry ({reason(error)}): {remedy}") from error

    def _connect(self) -> sqlite3.Connection:
        database = sqlite3.connect(self.path, timeout=5, isolation_level=None, check_same_thread=False)
        database.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
        return database

    def _begin(self, boot: Boot) -> int:
        """Deadlines are of the boot in which they were written: after another, the clock counts from elsewhere."""
        run = int(self.fact("run", 0)) + 1
        changes: list[Change] = [Fact("run", run)]
        if self.fact("boot", boot.id) != boot.id or not boot.id:
            changes.append(_Shift(self._since_former(boot)))
        changes += (Fact("boot", boot.id), Fact("began", boot.began))
        try:
            self._transact(changes)
        except sqlite3.OperationalError as error:
            if "full" not in str(error):
                raise
            self._owed = changes
            _log.error(
                "%s: cannot write the registry (%s): those asleep are woken, but until there is space no machine can "
                "register",
                self.path,
                error,
            )
        return run

    def _since_former(self, boot: Boot) -> float:
        """Seconds from the clock of the former boot to that of this one.

        A clock by which less than no time has passed since the last write is wrong: its battery is empty, or was.
        """
        began, written, now = float(self.fact("began", boot.began)), float(self.fact("written", 0.0)), _boottime()
        passed = boot.began + now - (began + written)
        return began - boot.began if passed >= 0 else now - written

    def close(self) -> None:
        self._reader.close()
        self._writer.close()

    # Writing

    def apply(self, changes: Iterable[Change]) -> list[Any]:
        """All or nothing, on disk when it returns; what each returns, or the error by which it refuses.

        Raises RegistryError.
        """
        owed, wanted = self._owed, list(changes)
        try:
            results = self._transact([*owed, *wanted, *self._clock_was_set()])
        except sqlite3.Error as error:
            raise RegistryError(
                f"{self.path}: cannot write the registry ({reason(error)}): free space on its file system and see "
                "that powerwaked may write there; until then no machine can register"
            ) from error
        self._owed = []
        return results[len(owed) : len(owed) + len(wanted)]

    def _clock_was_set(self) -> list[Change]:
        began = self._boot_now().began
        if abs(began - self._began) < 1:
            return []
        self._began = began
        return [Fact("began", began)]

    def _transact(self, changes: Iterable[Change]) -> list[Any]:
        self._writer.execute("BEGIN IMMEDIATE")
        try:
            results = [_result(change, self._writer) for change in changes]
            Fact("written", _boottime()).apply(self._writer)
            self._writer.execute("COMMIT")
        except BaseException:
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")
            raise
        return results

    def begin_run(self) -> Change:
        """What was known to sleep in a former run is in doubt from now on."""
        self.run += 1
        return Fact("run", self.run)

    # Reading what is on disk

    def fact(self, name: str, default: Any) -> Any:
        found = self.ask("SELECT value FROM facts WHERE name = ?", name)
        return found[0][0] if found else default

    def record(self, name: str) -> Record | None:
        rows = self.ask(f"SELECT {COLUMNS} FROM hosts WHERE name = ?", name)
        with self._understood():
            return record_of(rows[0]) if rows else None

    def records(self, after: str, most: int) -> list[Record]:
        """In the order of their names."""
        rows = self.ask(f"SELECT {COLUMNS} FROM hosts WHERE name > ? ORDER BY name LIMIT ?", after, most)
        with self._understood():
            return [record_of(row) for row in rows]

    def row(self, name: str) -> Row | None:
        return self._row(self.ask(ROWS_OF_HOST, name))

    def row_of_owner(self, segment: str, ip: bytes) -> Row | None:
        """Of the host that has the address."""
        return self._row(self.ask(ROWS_OF_OWNER, ip, segment))

    def _row(self, rows: list[tuple[Any, ...]]) -> Row | None:
        try:
            return row_of(rows) if rows else None
        except _NOT_UNDERSTOOD as error:
            raise self._unreadable(error) from error

    def addresses(self, number: int) -> tuple[Address, ...]:
        rows = self.ask("SELECT segment, ip, mac FROM places WHERE host = ? ORDER BY nth", number)
        return tuple(Address(*row) for row in rows)

    def holder(self, segment: str, ip: bytes) -> int | None:
        """The number of the host that is not just awake and has the address."""
        rows = self.ask(
            f"SELECT host FROM places JOIN hosts ON number = host WHERE ip = ? AND segment = ? AND {WATCHED}",
            ip,
            segment,
        )
        return rows[0][0] if rows else None

    def name(self, number: int) -> str | None:
        rows = self.ask("SELECT name FROM hosts WHERE number = ?", number)
        return rows[0][0] if rows else None

    def hosts_of_ip(self, ip: bytes) -> tuple[str, ...]:
        return tuple(
            name for (name,) in self.ask("SELECT name FROM places JOIN hosts ON number = host WHERE ip = ?", ip)
        )

    def host_of_card(self, mac: bytes) -> str | None:
        rows = self.ask("SELECT name FROM cards JOIN hosts ON number = host WHERE mac = ?", mac)
        return rows[0][0] if rows else None

    def states(self) -> dict[str, int]:
        """How many hosts are in each state."""
        states = dict(self.ask(f"SELECT state, count(*) FROM hosts WHERE {WATCHED} GROUP BY state"))
        awake = self.count() - sum(states.values())
        states["awake"] = states.get("awake", 0) + awake
        return states

    def count(self) -> int:
        return int(self.ask("SELECT count(*) FROM hosts")[0][0])

    def due(self, after: float, number: int, before: float, most: int) -> list[tuple[float, int, str]]:
        """(due, number, name) of the next deadlines after that of the host `number`."""
        return self.ask(
            "SELECT due, number, name FROM hosts WHERE due IS NOT NULL AND (due, number) > (?, ?) AND due <= ?"
            " ORDER BY due, number LIMIT ?",
            after,
            number,
            before,
            most,
        )

    def body(self, number: int) -> tuple[str, float] | None:
        """What a sleeping host has sent, and when."""
        rows = self.ask("SELECT body, slept_at FROM registrations JOIN hosts ON number = host WHERE host = ?", number)
        return (rows[0][0], rows[0][1]) if rows else None

    def numbers(self, after: int, most: int) -> list[tuple[int, str, bool]]:
        """(number, name, whether it sleeps)."""
        return self.ask(
            "SELECT number, name, sleep IS NOT NULL FROM hosts WHERE number > ? ORDER BY number LIMIT ?", after, most
        )

    def watched(self, after: int, most: int, with_cards: bool = False, before_run: int | None = None) -> list[Rest]:
        """The next hosts that are not just awake, in the order of their numbers.

        `before_run`: those alone that sleep, and were last known to for certain in an earlier run than that.
        """
        with self._understood():
            return resting.watched(self.ask, after, most, with_cards, before_run)
        raise AssertionError  # not reached

    def alike(self, after: int, upto: int, most: int, left_out: Collection[int]) -> Page | None:
        """The same, those together that are alike: hosts up to that number, but for these. None: there are no more."""
        with self._understood():
            return resting.alike(self.ask, after, upto, most, left_out)
        raise AssertionError  # not reached

    def ask(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        try:
            return self._reader.execute(sql, parameters).fetchall()
        except _NOT_UNDERSTOOD as error:
            raise self._unreadable(error) from error

    @contextlib.contextmanager
    def _understood(self) -> Iterator[None]:
        try:
            yield
        except _NOT_UNDERSTOOD as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: Exception) -> RegistryError:
        return RegistryError(f"{self.path}: cannot read the registry ({reason(error)}): {_DAMAGED}")


class _Shift(NamedTuple):
    """Deadlines of an earlier boot, by this boot's clock."""

    seconds: float

    def apply(self, database: sqlite3.Connection) -> None:
        database.execute(
            f"UPDATE hosts SET due = due + ?1, wake_by = wake_by + ?1, lease_ends = lease_ends + ?1 WHERE {WATCHED}",
            (self.seconds,),
        )


def _boottime() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _refuse_emptied(path: str) -> None:
    """SQLite would throw the journal of an empty file away, and with it all that is in it."""
    with contextlib.suppress(FileNotFoundError):
        if Path(path).stat().st_size == 0 and Path(f"{path}-wal").stat().st_size > 0:
            raise RegistryError(f"{path}: the registry has been emptied, but {path}-wal is there: {_DAMAGED}")


@lru_cache(maxsize=1)
def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _result(change: Change, database: sqlite3.Connection) -> Any:
    try:
        return change.apply(database)
    except PowernapError as error:
        return error
