# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import asyncio
import sqlite3
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from powernap.wake.registry import Journal, Record, Registry, RegistryError

WEB1 = Record(
    "web1",
    "11" * 32,
    ("02:4c:00:00:00:03",),
    ("198.18.0.3",),
    "arp",
    registered_at=1.5,
    sequence=2**62,
    state="proxied",
    since=2.5,
    sleep="{}",
    slept_at=2.5,
    last_wake={"reason": "demand", "seconds": 1.0, "asked_by": "somebody"},
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "registry.sqlite"


def test_what_was_saved_is_there_after_a_restart(path: Path) -> None:
    registry = Registry(str(path))
    registry.apply([WEB1, Record("file1", "22" * 32), Record("gone", "33" * 32)])
    registry.apply([replace(WEB1, sequence=7), "gone"])
    # No close: as after kill -9.
    assert Registry(str(path)).load() == [Record("file1", "22" * 32), replace(WEB1, sequence=7)]


def test_keys_are_for_the_owner_only(path: Path) -> None:
    path.touch(0o644)
    Registry(str(path)).apply([WEB1])
    for each in path.parent.iterdir():
        assert stat.S_IMODE(each.stat().st_mode) == 0o600, each


def test_a_batch_is_saved_whole_or_not_at_all(path: Path) -> None:
    registry = Registry(str(path))
    with pytest.raises(RegistryError):
        registry.apply([WEB1, replace(WEB1, name="bad", registered_at=None)])
    assert registry.load() == []


def test_a_registry_that_cannot_be_opened_is_named_with_the_remedy(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing" / "registry.sqlite"):
        with pytest.raises(RegistryError, match=r"registry\.path") as caught:
            Registry(str(path))
        assert str(path) in str(caught.value)


def test_a_registry_of_a_newer_version_is_left_alone(path: Path) -> None:
    Registry(str(path)).close()
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version=99")
    with pytest.raises(RegistryError, match="newer"):
        Registry(str(path))


def test_the_journal_keeps_the_order_and_returns_when_it_is_on_disk(path: Path) -> None:
    async def story() -> None:
        journal = Journal(Registry(str(path)))
        await asyncio.gather(*(journal.commit(replace(WEB1, sequence=number)) for number in range(200)))
        assert Registry(str(path)).load()[0].sequence == 199
        await asyncio.gather(journal.commit("web1"), journal.commit(replace(WEB1, sequence=500)))
        await journal.close()

    asyncio.run(story())
    assert Registry(str(path)).load()[0].sequence == 500


def test_a_failed_write_fails_for_all_who_wait_and_a_later_one_may_succeed(path: Path) -> None:
    async def story() -> None:
        journal = Journal(Registry(str(path)))
        bad = replace(WEB1, registered_at=None)
        results = await asyncio.gather(journal.commit(bad), journal.commit(bad), return_exceptions=True)
        assert [type(result) for result in results] == [RegistryError, RegistryError]
        assert str(path) in str(results[0])
        await journal.commit(WEB1)
        await journal.close()

    asyncio.run(story())
    assert Registry(str(path)).load() == [WEB1]


def test_many_registrations_share_few_writes(path: Path) -> None:
    class Counting(Registry):
        writes = 0

        def apply(self, changes) -> None:
            self.writes += 1
            super().apply(changes)

    async def story() -> int:
        registry = Counting(str(path))
        journal = Journal(registry)
        await asyncio.gather(*(journal.commit(replace(WEB1, name=f"host{number}")) for number in range(1000)))
        await journal.close()
        return registry.writes

    assert asyncio.run(story()) < 50
