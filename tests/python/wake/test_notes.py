# SPDX-License-Identifier: GPL-3.0-or-later
"""Notes: kept over restarts, bounded, and never in the way of anything."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from powernap.wake import notes as notes_module
from powernap.wake.notes import Notes

ADD = "INSERT INTO things (name) VALUES (?)"
ALL = "SELECT name FROM things ORDER BY rowid"


def opened(path: Path, most: int = 100, columns: str = "name TEXT") -> Notes:
    notes = Notes(path)
    notes.add_table("things", columns, most)
    return notes


def played(path: Path, act: Callable[[Notes], Awaitable[None]], most: int = 100) -> list[tuple[object, ...]]:
    async def play() -> list[tuple[object, ...]]:
        notes = opened(path, most)
        await act(notes)
        found = notes.read(ALL)
        await notes.close()
        return found

    return asyncio.run(play())


async def add(notes: Notes, *names: str) -> None:
    for name in names:
        await notes.write(ADD, (name,))


def test_what_was_written_is_there_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "notes.sqlite"
    played(path, lambda notes: add(notes, "one", "two"))
    assert played(path, lambda notes: add(notes, "three")) == [("one",), ("two",), ("three",)]
    assert path.stat().st_mode & 0o777 == 0o600


def test_of_a_full_table_the_oldest_go(tmp_path: Path) -> None:
    found = played(tmp_path / "n", lambda notes: add(notes, *map(str, range(30))), most=10)
    assert found == [(str(number),) for number in range(20, 30)]


def test_closing_waits_for_what_nobody_awaited(tmp_path: Path) -> None:
    async def write_and_leave() -> None:
        notes = opened(tmp_path / "n")
        for number in range(50):
            notes.write(ADD, (str(number),))
        await notes.close()

    asyncio.run(write_and_leave())
    assert len(played(tmp_path / "n", lambda notes: add(notes))) == 50


@pytest.mark.parametrize("damage", [b"no database at all" * 100, b"SQLite format 3\0" + b"\x55" * 8000])
def test_a_damaged_file_is_begun_anew(tmp_path: Path, damage: bytes, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "n"
    path.write_bytes(damage)
    with caplog.at_level(logging.WARNING):
        assert played(path, lambda notes: add(notes, "new")) == [("new",)]
    assert "begun anew" in caplog.text


def test_a_file_that_is_damaged_while_open_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "n"

    async def damage(notes: Notes) -> None:
        await add(notes, *("x" * 3000 for _ in range(50)))
        notes.read(ALL)
        notes.read("PRAGMA wal_checkpoint(TRUNCATE)")
        path.write_bytes(b"\0" * path.stat().st_size)
        for _ in range(3):
            await add(notes, "new")
            notes.read(ALL)

    assert ("new",) in played(path, damage)


def test_where_nothing_can_be_written_it_is_said_once_and_nothing_fails(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert played(tmp_path / "missing" / "n", lambda notes: add(notes, "one", "two", "three")) == []
    assert len(caplog.records) == 1 and "cannot write notes" in caplog.text


def test_a_statement_that_is_wrong_does_not_take_others_with_it(tmp_path: Path) -> None:
    async def mix(notes: Notes) -> None:
        notes.write(ADD, ("before",))
        notes.write(ADD, (object(),))
        await notes.write(ADD, ("after",))

    assert played(tmp_path / "n", mix) == [("before",), ("after",)]


def test_a_table_of_another_version_is_made_anew(tmp_path: Path) -> None:
    played(tmp_path / "n", lambda notes: add(notes, "old"))

    async def other() -> list[tuple[object, ...]]:
        notes = opened(tmp_path / "n", columns="name TEXT, more INTEGER")
        await notes.write("INSERT INTO things (name, more) VALUES ('new', 1)")
        found = notes.read("SELECT * FROM things")
        await notes.close()
        return found

    assert asyncio.run(other()) == [("new", 1)]


def test_more_than_the_queue_holds_is_dropped_and_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notes_module, "_MOST_WAITING", 5)

    async def flood() -> int:
        notes = opened(tmp_path / "n")
        for number in range(20):
            notes.write(ADD, (str(number),))
        await notes.close()
        return notes.dropped

    assert asyncio.run(flood()) == 15
