# SPDX-License-Identifier: GPL-3.0-or-later
"""The registry on disk: what was acknowledged is there, whatever happens; decisions are made by what is there."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import sqlite3
import stat
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from powernap.net.interfaces import Interface
from powernap.wake.model import Address, Sleep, State
from powernap.wake.registry import Conflict, Journal, Registry, RegistryError, Unknown
from powernap.wake.registry.changes import Enrol, Forget, Hello, LastWake, Register, Save
from powernap.wake.registry.file import Boot

HERE = (Interface("eth0", 2, bytes(6), networks=(ipaddress.ip_interface("198.18.0.1/16"),)),)
MAC, MAC2 = bytes.fromhex("024c00000003"), bytes.fromhex("024c00000004")
WEB4 = Address("eth0", bytes([198, 18, 0, 3]), MAC)
SLEEP = Sleep("suspend", (WEB4,), (MAC,), ((22, 22), (8000, 8099)), ((53, 53),), None, 900.0, 800.0, True)


def enrol(name: str = "web1", mac: bytes = MAC, ip: str = "198.18.0.3", **facts: object) -> Enrol:
    given = {"wake_on": None, "group": "", **facts}
    return Enrol(name, (mac.hex(":"),), (ip,), interfaces=HERE, at=1.0, **given)


def register(name: str = "web1", sequence: int = 5, sleep: Sleep = SLEEP) -> Register:
    return Register(name, sequence, sleep, "{}", ("198.18.0.3/16",), sleep.wake_by, 2.0, run=1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "registry.sqlite"


@pytest.fixture
def registry(path: Path) -> Registry:
    return Registry(str(path))


def test_what_was_saved_is_there_after_a_restart(path: Path, registry: Registry) -> None:
    changed, record = registry.apply([enrol(group="rack1", wake_on="arp"), register()])[0]
    assert changed and len(bytes.fromhex(record.key)) == 32
    # No close: as after kill -9.
    row = Registry(str(path)).row("web1")
    assert row is not None
    assert (row.record.key, row.record.group, row.record.wake_on) == (record.key, "rack1", "arp")
    assert (row.record.sequence, row.record.state, row.record.said) == (5, "registered", ("198.18.0.3/16",))
    assert (row.sleep, row.addresses, row.captured) == (SLEEP, (WEB4,), False)


def test_addresses_and_cards_find_their_host(registry: Registry) -> None:
    registry.apply([enrol(), enrol("file1", MAC2, "198.18.0.4")])
    assert registry.row_of_owner("eth0", WEB4.ip) == registry.row("web1")
    assert registry.hosts_of_ip(WEB4.ip) == ("web1",)
    assert (registry.host_of_card(MAC), registry.host_of_card(MAC2)) == ("web1", "file1")
    assert registry.row_of_owner("eth1", WEB4.ip) is None and registry.host_of_card(bytes(6)) is None
    assert registry.apply([Forget("web1"), Forget("web1")]) == [True, False]
    assert registry.row_of_owner("eth0", WEB4.ip) is None and registry.host_of_card(MAC) is None
    assert registry.row("web1") is None


def test_a_host_is_known_whatever_it_sleeps_with(path: Path, registry: Registry) -> None:
    registry.apply([enrol(), register()])
    with sqlite3.connect(path) as database:
        database.execute("UPDATE hosts SET sleep = 'x'")
    with pytest.raises(RegistryError):
        registry.row("web1")
    assert registry.record("web1").name == "web1"
    with pytest.raises(RegistryError, match="powerwake forget web1"):
        raise registry.apply([register(sequence=6)])[0]
    assert registry.apply([Hello("web1", 7, HERE, 3.0)]) == [None] and registry.row("web1").sleep is None


def test_a_number_is_never_used_twice(registry: Registry) -> None:
    first, _, second = registry.apply([enrol(), Forget("web1"), enrol()])
    assert first[1].number < second[1].number


def test_a_host_is_enrolled_once_and_only_changes_count(registry: Registry) -> None:
    first, again, changed = registry.apply([enrol(), enrol(), enrol(group="rack1")])
    assert (first[0], again[0], changed[0]) == (True, False, True)
    assert first[1].key == again[1].key == changed[1].key


def test_a_card_belongs_to_one_host(registry: Registry) -> None:
    registry.apply([enrol(), enrol("file1", MAC2)])
    refused = registry.apply([enrol("thief"), register("file1", sleep=replace(SLEEP, macs=(MAC,)))])
    assert all(isinstance(each, Conflict) and "web1" in str(each) for each in refused)
    assert registry.row("thief") is None and registry.row("file1").sleep is None


def test_the_address_of_another_sleeper_is_refused_and_stays_where_it_is(registry: Registry) -> None:
    registry.apply([enrol(), enrol("file1", MAC2, "198.18.0.4"), register()])
    (refused,) = registry.apply([register("file1", sleep=replace(SLEEP, macs=(MAC2,)))])
    assert isinstance(refused, Conflict) and "belongs to web1" in str(refused)
    registry.apply([enrol("file1", MAC2, "198.18.0.3")])  # what an administrator says may be out of date
    assert registry.row_of_owner("eth0", WEB4.ip) == registry.row("web1")


def test_a_sequence_number_is_accepted_once(registry: Registry) -> None:
    registry.apply([enrol(), register(sequence=7)])
    replayed, hello, unknown = registry.apply(
        [register(sequence=7), Hello("web1", 6, HERE, 3.0), Hello("nobody", 1, HERE, 3.0)]
    )
    assert isinstance(replayed, Conflict) and isinstance(hello, Conflict) and isinstance(unknown, Unknown)
    assert registry.row("web1").sleep == SLEEP


def test_a_hello_ends_the_sleep_on_disk(registry: Registry) -> None:
    registry.apply([enrol(), register(), Hello("web1", 6, HERE, 3.0)])
    row = registry.row("web1")
    assert (row.sleep, row.record.state, row.record.since, row.record.sequence) == (None, "awake", 3.0, 6)
    assert row.addresses == (WEB4,)
    assert registry.due(-1e9, 0, 1e9, 10) == [] and registry.watched(0, 10) == []


def test_what_became_of_a_host_is_saved_unless_it_was_forgotten(registry: Registry) -> None:
    number = registry.apply([enrol(), register()])[0][1].number
    save = Save(number, State.PROXIED, 4.0, True, 800.0, 3, SLEEP, (MAC,), (WEB4,))
    registry.apply([save, LastWake("web1", {"reason": "demand"})])
    row = registry.row("web1")
    assert (row.record.state, row.captured, row.run, row.sleep) == ("proxied", True, 3, SLEEP)
    assert row.record.last_wake == {"reason": "demand"}
    assert registry.due(-1e9, 0, 1e9, 10) == [(800.0, number, "web1")]
    registry.apply([Forget("web1"), save])
    assert registry.count() == 0 and registry.row_of_owner("eth0", WEB4.ip) is None


def test_pages_of_those_that_are_not_just_awake(registry: Registry) -> None:
    for number in range(1, 8):
        mac, ip = bytes([2, 0, 0, 0, 0, number]), bytes([198, 18, 1, number])
        sleep = replace(SLEEP, macs=(mac,), addresses=(Address("eth0", ip, mac),))
        changes = [enrol(f"host{number}", mac, f"198.18.1.{number}")]
        registry.apply(changes + [register(f"host{number}", sleep=sleep)] * (number % 2))
    first = registry.watched(0, 3, with_cards=True)
    second = registry.watched(first[-1].number, 3, with_cards=True)
    assert [rest.name for rest in (*first, *second)] == ["host1", "host3", "host5", "host7"]
    assert [len(rest.addresses) for rest in first] == [1, 1, 1] and first[0].cards == (bytes([2, 0, 0, 0, 0, 1]),)
    assert first[0].sleep is not None and first[0].sleep.tcp == SLEEP.tcp
    assert registry.states() == {"awake": 3, "registered": 4}


def test_deadlines_are_carried_into_the_clock_of_the_next_boot(path: Path) -> None:
    Registry(str(path), lambda: Boot("one", 1000.0)).apply([enrol(), register()])
    same = Registry(str(path), lambda: Boot("one", 1000.0))
    assert same.row("web1").sleep.wake_by == 800.0
    # Due at Unix time 1800; the machine was started anew at 1600.
    other = Registry(str(path), lambda: Boot("two", 1600.0))
    assert (other.row("web1").sleep.wake_by, other.row("web1").sleep.lease_ends) == (200.0, 300.0)
    assert other.due(-1e9, 0, 1e9, 1)[0][0] == 200.0
    assert other.run == same.run + 1


def test_keys_are_for_the_owner_only(path: Path) -> None:
    path.touch(0o644)
    Registry(str(path)).apply([enrol()])
    for each in path.parent.iterdir():
        assert stat.S_IMODE(each.stat().st_mode) == 0o600, each


def test_a_batch_is_saved_whole_or_not_at_all(registry: Registry) -> None:
    with pytest.raises(RegistryError):
        registry.apply([enrol(), replace(enrol("bad", MAC2), at=None)])
    assert registry.count() == 0


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


# From version 1

VERSION_1 = """
CREATE TABLE hosts (
    name TEXT PRIMARY KEY, key TEXT NOT NULL, macs TEXT NOT NULL, addresses TEXT NOT NULL, wake_on TEXT,
    registered_at REAL NOT NULL, sequence INTEGER NOT NULL, state TEXT NOT NULL, since REAL NOT NULL, sleep TEXT,
    slept_at REAL NOT NULL, last_wake TEXT
)"""
BODY = {
    "action": "suspend",
    "interfaces": [{"name": "eth0", "mac": MAC.hex(":"), "addresses": ["198.18.0.3/16"]}],
    "tcp_ports": "80",
    "lease_seconds": 1000,
}


def version_1(path: Path, slept_at: float) -> None:
    with sqlite3.connect(path) as database:
        database.execute(VERSION_1)
        for name, mac, sleep, state in (("web1", MAC, json.dumps(BODY), "proxied"), ("file1", MAC2, None, "awake")):
            database.execute(
                "INSERT INTO hosts VALUES (?, ?, ?, '[]', 'demand', 1.5, 42, ?, 2.5, ?, ?, ?)",
                (name, "11" * 32, json.dumps([mac.hex(":")]), state, sleep, slept_at, '{"reason": "order"}'),
            )
        database.execute("PRAGMA user_version=1")


def test_a_file_of_version_1_loses_no_host_and_no_sleeper(path: Path) -> None:
    version_1(path, time.time() - 400)
    registry = Registry(str(path))
    web1, file1 = registry.row("web1"), registry.row("file1")
    assert (web1.record.key, web1.record.sequence, web1.record.state) == ("11" * 32, 42, "proxied")
    assert web1.record.last_wake == {"reason": "order"} and web1.record.wake_on == "demand"
    assert (web1.sleep.action, web1.sleep.macs, web1.sleep.tcp, web1.sleep.udp) == ("suspend", (MAC,), ((80, 80),), ())
    left = web1.sleep.lease_ends - time.clock_gettime(time.CLOCK_BOOTTIME)
    assert 590 < left <= 600
    assert registry.host_of_card(MAC) == "web1" and registry.host_of_card(MAC2) == "file1"
    assert file1.sleep is None
    body, _slept_at = registry.body(web1.record.number)
    assert json.loads(body)["interfaces"] == BODY["interfaces"]
    assert [rest.name for rest in registry.watched(0, 10)] == ["web1"]


def test_a_migration_that_fails_leaves_the_file_as_it_was(path: Path) -> None:
    version_1(path, time.time())
    with sqlite3.connect(path) as database:
        database.execute("UPDATE hosts SET macs = 'no list'")
    with pytest.raises(RegistryError):
        Registry(str(path))
    with sqlite3.connect(path) as database:
        assert database.execute("PRAGMA user_version").fetchone() == (1,)
        assert database.execute("SELECT count(*) FROM hosts").fetchone() == (2,)


# The journal


def test_the_journal_keeps_the_order_and_returns_when_it_is_on_disk(path: Path) -> None:
    async def story() -> None:
        journal = Journal(Registry(str(path)))
        await journal.commit(enrol())
        await asyncio.gather(*(journal.commit(register(sequence=number)) for number in range(1, 200)))
        assert Registry(str(path)).record("web1").sequence == 199
        await asyncio.gather(journal.commit(Forget("web1")), journal.commit(enrol(group="rack1")))
        await journal.close()

    asyncio.run(story())
    assert Registry(str(path)).record("web1").group == "rack1"


def test_who_is_refused_hears_it_and_the_others_of_the_batch_do_not(path: Path) -> None:
    async def story() -> list[object]:
        journal = Journal(Registry(str(path)))
        changes = (enrol(), enrol("thief"), enrol("file1", MAC2))
        results = await asyncio.gather(*map(journal.commit, changes), return_exceptions=True)
        await journal.close()
        return results

    first, refused, last = asyncio.run(story())
    assert first[0] and last[0] and isinstance(refused, Conflict)


def test_a_failed_write_fails_for_all_who_wait_and_a_later_one_may_succeed(path: Path) -> None:
    async def story() -> None:
        journal = Journal(Registry(str(path)))
        bad = replace(enrol(), at=None)
        results = await asyncio.gather(journal.commit(bad), journal.commit(bad), return_exceptions=True)
        assert [type(result) for result in results] == [RegistryError, RegistryError]
        assert str(path) in str(results[0])
        await journal.commit(enrol())
        await journal.close()

    asyncio.run(story())
    assert Registry(str(path)).count() == 1


def test_many_registrations_share_few_writes(path: Path) -> None:
    class Counting(Registry):
        writes = 0

        def apply(self, changes):
            self.writes += 1
            return super().apply(changes)

    async def story() -> int:
        registry = Counting(str(path))
        journal = Journal(registry)
        macs = [bytes([2, 0, 0, 0, number >> 8, number & 255]) for number in range(1000)]
        await asyncio.gather(*(journal.commit(enrol(mac.hex(), mac)) for mac in macs))
        await journal.close()
        return registry.writes

    assert asyncio.run(story()) < 50


# Killed at any moment

_WRITER = """
import asyncio, sys
from tests.python.wake.test_registry import MAC, MAC2, WEB4, enrol, register
from powernap.wake.registry import Journal, Registry
async def story():
    journal = Journal(Registry(sys.argv[1]))
    await journal.commit(enrol())
    for number in range(1, 1_000_000):
        await asyncio.gather(journal.commit(register(sequence=number)), journal.commit(enrol(group=f"group{number}")))
        print(number, flush=True)
asyncio.run(story())
"""


@pytest.mark.parametrize("after", [1, 7, 40])
def test_what_was_acknowledged_is_there_after_a_kill(path: Path, after: int) -> None:
    with subprocess.Popen([sys.executable, "-c", _WRITER, str(path)], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        for line in writer.stdout:
            if int(line) >= after:
                break
        writer.kill()
        acknowledged = [int(line), *(int(rest) for rest in writer.stdout.read().split("\n")[:-1])][-1]
    row = Registry(str(path)).row("web1")
    assert row.record.sequence in (acknowledged, acknowledged + 1)
    assert int(row.record.group.removeprefix("group")) in (acknowledged, acknowledged + 1)
    assert row.sleep == SLEEP
