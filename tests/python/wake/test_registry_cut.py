# SPDX-License-Identifier: GPL-3.0-or-later
"""The registry after a power cut, on a full disk, in a damaged file, and after the clock was set."""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from tests.python.wake.test_registry import HERE, MAC, SLEEP, enrol, register

from powernap.wake.registry import Journal, Registry, RegistryError
from powernap.wake.registry.changes import Hello, LastWake
from powernap.wake.registry.file import Boot

SEED = int(os.environ.get("POWERNAP_CUT_SEED", "1"))
CUTS = int(os.environ.get("POWERNAP_CUTS", "15"))
SIDE_FILES = ("", "-wal", "-shm")

# One host after the other is enrolled and sleeps; of every third it becomes known that it is awake.
STORM = """
import sys
from dataclasses import replace
from tests.python.wake.test_registry import HERE, SLEEP, enrol, register
from powernap.wake.model import Address
from powernap.wake.registry import Registry
from powernap.wake.registry.changes import Hello
registry = Registry(sys.argv[1])
registry._writer.execute(f"PRAGMA wal_autocheckpoint={sys.argv[2]}")
for number in range(1, 1_000_000):
    name, mac = f"h{number:06}", b"\\x02\\x4c" + number.to_bytes(4, "big")
    ip = bytes((198, 18, number >> 8 & 255, number & 255))
    sleep = replace(SLEEP, addresses=(Address("eth0", ip, mac),), macs=(mac,))
    results = registry.apply([enrol(name, mac, ".".join(map(str, ip))), register(name, number, sleep)])
    if number % 3 == 0:
        results += registry.apply([Hello(name, number + 1, HERE, 3.0)])
    assert not any(isinstance(result, Exception) for result in results), results
    print(number, flush=True)
"""


def hosts(path: Path) -> list[int]:
    """The numbers of those that are there, each as it has to be."""
    registry = Registry(str(path))
    try:
        assert registry._reader.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        found = []
        for record in registry.records("", 1_000_000):
            row = registry.row(record.name)
            assert row is not None and len(row.addresses) == 1
            assert registry.row_of_owner("eth0", row.addresses[0].ip) == row
            assert registry.host_of_card(bytes.fromhex(record.macs[0].replace(":", ""))) == record.name
            assert (row.sleep is None) == (record.state == "awake") == (registry.body(record.number) is None)
            found.append(int(record.name[1:]))
        return found
    finally:
        registry.close()


@pytest.mark.parametrize("torn", [False, True])
def test_after_a_power_cut_all_is_there_that_was_acknowledged(tmp_path: Path, torn: bool) -> None:
    """`torn`: the disk has lost the end of what was written last; then what came before it is there, whole."""
    dice = random.Random(SEED)
    path = tmp_path / "registry.sqlite"
    # What a checkpoint has copied was flushed before: it is no such loss.
    command = [sys.executable, "-c", STORM, str(path), "0" if torn else "30"]
    said = tmp_path / "acknowledged"
    with said.open("w") as out, subprocess.Popen(command, stdout=out) as writer:
        try:
            while not said.read_text():
                time.sleep(0.01)
            for cut in range(CUTS):
                time.sleep(dice.random() * 0.08)
                writer.send_signal(signal.SIGSTOP)
                os.waitid(os.P_PID, writer.pid, os.WSTOPPED)
                acknowledged = said.read_text().count("\n")
                copy = tmp_path / f"cut{cut}" / "registry.sqlite"
                copy.parent.mkdir()
                for suffix in SIDE_FILES:
                    shutil.copyfile(f"{path}{suffix}", f"{copy}{suffix}")
                writer.send_signal(signal.SIGCONT)
                if torn:
                    os.truncate(f"{copy}-wal", dice.randrange(Path(f"{copy}-wal").stat().st_size + 1))
                    Path(f"{copy}-shm").unlink()  # it does not survive a power cut
                found = hosts(copy)
                assert found == list(range(1, len(found) + 1))
                assert torn or len(found) >= acknowledged, f"cut {cut} of seed {SEED}"
                shutil.rmtree(copy.parent)
        finally:
            writer.kill()


# Files that cannot be used


def refusal(path: Path) -> str:
    with pytest.raises(RegistryError) as caught:
        Registry(str(path))
    sentence = str(caught.value)
    assert str(path) in sentence and "\n" not in sentence
    return sentence


def filled(path: Path, hosts: int = 200) -> None:
    registry = Registry(str(path))
    cards = [b"\x02\x4c" + number.to_bytes(4, "big") for number in range(hosts)]
    registry.apply(enrol(f"h{number}", mac, f"198.18.1.{number % 250}") for number, mac in enumerate(cards))
    registry.close()


def test_garbage_is_left_as_it_is_and_the_remedy_is_told(tmp_path: Path) -> None:
    path = tmp_path / "registry.sqlite"
    garbage = b"this is no database, but long enough to look like one" * 100
    path.write_bytes(garbage)
    assert "backup" in refusal(path)
    assert path.read_bytes() == garbage


def test_a_damaged_page_is_found_at_the_start_or_never_in_the_way(tmp_path: Path) -> None:
    """Whatever is read of it is an error with a sentence; nothing is thrown away."""
    path = tmp_path / "registry.sqlite"
    filled(path)
    whole = path.read_bytes()
    for page in range(len(whole) // 4096):
        path.write_bytes(whole[: page * 4096] + b"\xa5" * 4096 + whole[(page + 1) * 4096 :])
        for suffix in SIDE_FILES[1:]:
            Path(f"{path}{suffix}").unlink(missing_ok=True)
        said = []
        try:
            registry = Registry(str(path))
        except RegistryError as error:
            said.append(str(error))
        else:
            said += complaints(registry)
            registry.close()
        assert all(str(path) in sentence for sentence in said)
        assert page or "backup" in said[0]


def complaints(registry: Registry) -> list[str]:
    found = []
    for ask in (
        registry.states,
        registry.count,
        lambda: registry.records("", 1000),
        lambda: registry.row("h7"),
        lambda: registry.watched(0, 100, True),
        lambda: registry.alike(0, 100, 100, ()),
        lambda: registry.due(0.0, 0, 1e9, 10),
        lambda: registry.host_of_card(MAC),
        lambda: registry.apply([enrol("new", MAC)]),
    ):
        try:
            ask()
        except RegistryError as error:
            found.append(str(error))
    return found


def test_text_in_a_row_that_is_no_json_is_an_error_with_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "registry.sqlite"
    registry = Registry(str(path))
    registry.apply([enrol(), register()])
    with sqlite3.connect(path) as database:
        database.execute("UPDATE hosts SET macs = 'x', sleep = 'x'")
    for ask in (
        lambda: registry.record("web1"),
        lambda: registry.row("web1"),
        lambda: registry.records("", 9),
        lambda: registry.watched(0, 9),
        lambda: registry.alike(0, 9, 9, ()),
    ):
        with pytest.raises(RegistryError, match="backup"):
            ask()


def test_an_emptied_file_whose_journal_is_there_is_not_begun_anew(tmp_path: Path) -> None:
    """SQLite would throw the journal away, and what is in it."""
    path = tmp_path / "registry.sqlite"
    path.touch()
    Path(f"{path}-wal").write_bytes(bytes(4096))
    wal = Path(f"{path}-wal").read_bytes()
    assert wal
    assert "backup" in refusal(path)
    assert Path(f"{path}-wal").read_bytes() == wal


def test_an_empty_file_is_a_new_registry(tmp_path: Path) -> None:
    """As a kill in the first moment of the first start leaves it."""
    path = tmp_path / "registry.sqlite"
    path.touch()
    assert Registry(str(path)).count() == 0


def test_a_file_of_a_newer_version_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "registry.sqlite"
    filled(path)
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version=99")
    database.close()
    before = path.read_bytes()
    assert "newer" in refusal(path)
    assert path.read_bytes() == before


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_a_file_that_may_not_be_written_says_so(tmp_path: Path) -> None:
    path = tmp_path / "registry.sqlite"
    filled(path)
    subprocess.run(["mount", "--bind", str(tmp_path), str(tmp_path)], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", str(tmp_path)], check=True)
        assert "Read-only file system" in refusal(path)
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)
    assert len(Registry(str(path)).records("", 1000)) == 200


# A full disk

FULL = """
import sys, pathlib
from tests.python.wake.test_registry import HERE, enrol, register
from powernap.wake.registry import Registry, RegistryError
from powernap.wake.registry.file import Boot
path, second = sys.argv[1:]
first = Registry(path, lambda: Boot("one", 1000.0))
first.apply([enrol(), register()])
ballast = pathlib.Path(path).with_name("ballast").open("wb", buffering=0)
for size in (4096, 1):
    try:
        while ballast.write(bytes(size)):
            pass
    except OSError:
        pass
began = 1000.0 if second == "one" else 1600.0
again = Registry(path, lambda: Boot(second, began))
row = again.row("web1")
assert row.sleep is not None and row.run < again.run
print(again.run)
try:
    again.apply([enrol("web2", b"\\x02\\x4c\\x00\\x00\\x00\\x04", "198.18.0.4")])
    raise SystemExit("the disk is not full")
except RegistryError as error:
    assert "free space" in str(error)
ballast.truncate(0)
again.apply([enrol("web2", b"\\x02\\x4c\\x00\\x00\\x00\\x04", "198.18.0.4")])
assert again.fact("run", 0) == again.run and again.fact("boot", "") == second
assert again.row("web1").sleep.wake_by == (800.0 if second == "one" else 200.0)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
@pytest.mark.parametrize("boot", ["one", "two"])
def test_on_a_full_disk_it_opens_and_writes_later_what_it_owes(tmp_path: Path, boot: str) -> None:
    """As after kill -9: a daemon that does not start wakes nobody."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "none", str(tmp_path)], check=True)
    try:
        path = tmp_path / "registry.sqlite"
        command = [sys.executable, "-c", FULL, str(path), boot]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
    finally:
        subprocess.run(["umount", "-l", str(tmp_path)], check=True)


# Faults


def test_a_change_that_fails_in_another_way_is_no_end_of_all_writing(tmp_path: Path) -> None:
    async def story() -> None:
        journal = Journal(Registry(str(tmp_path / "registry.sqlite")))
        bad = replace(register(), sequence=1 << 64)  # more than SQLite's integers hold
        await journal.commit(enrol())
        results = await asyncio.wait_for(
            asyncio.gather(journal.commit(bad), journal.commit(LastWake("web1", {})), return_exceptions=True), 5
        )
        assert isinstance(results[0], RegistryError)
        assert await asyncio.wait_for(journal.commit(register()), 5)
        await journal.close()

    asyncio.run(story())


def test_who_writes_just_when_the_clock_was_set_is_answered_as_are_those_after(tmp_path: Path) -> None:
    boot = [Boot("one", 1000.0)]

    async def story() -> None:
        journal = Journal(Registry(str(tmp_path / "registry.sqlite"), lambda: boot[0]))
        boot[0] = Boot("one", 87400.0)
        first = journal.submit(enrol())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        second = journal.submit(register())
        assert (await asyncio.wait_for(first, 5))[0]
        assert await asyncio.wait_for(second, 5)
        await journal.close()

    asyncio.run(story())


# Clocks


def leases(path: Path, boot: Boot) -> tuple[float, float, float]:
    """(due, wake_by, lease_ends) by the clock of this boot, whose CLOCK_BOOTTIME is close to 0."""
    registry = Registry(str(path), lambda: boot)
    row = registry.row("web1")
    due = registry.due(-1e12, 0, 1e12, 1)[0][0]
    registry.close()
    return due, row.sleep.wake_by, row.sleep.lease_ends


@pytest.mark.parametrize("days", [-9000, -1, 1, 9000])
def test_after_a_boot_with_a_wrong_clock_no_lease_is_longer_than_it_was(tmp_path: Path, days: int) -> None:
    """A clock that has lost its battery may be decades behind: what was due would never be."""
    path = tmp_path / "registry.sqlite"
    now = time.clock_gettime(time.CLOCK_BOOTTIME)
    sleep = replace(SLEEP, wake_by=now + 3240.0, lease_ends=now + 3600.0)
    body = json.dumps({"lease_seconds": 3600})
    registry = Registry(str(path), lambda: Boot("one", 1e9))
    registry.apply([enrol(), replace(register(sleep=sleep), body=body, at=1e9 + now)])
    registry.close()
    due, wake_by, lease_ends = leases(path, Boot("two", 1e9 + days * 86400.0))
    assert due == wake_by and wake_by == pytest.approx(lease_ends - 360.0)
    assert lease_ends <= time.clock_gettime(time.CLOCK_BOOTTIME) + 3600.0
    if days > 0:
        assert due < now  # it may have ended meanwhile
    # The clock has been set, and nothing was written before the next boot.
    due, wake_by, lease_ends = leases(path, Boot("three", 1e9 + 60.0))
    assert lease_ends <= time.clock_gettime(time.CLOCK_BOOTTIME) + 3600.0


def test_a_clock_that_is_set_while_it_runs_moves_no_lease(tmp_path: Path) -> None:
    path = tmp_path / "registry.sqlite"
    boot = [Boot("one", 1000.0)]
    registry = Registry(str(path), lambda: boot[0])
    registry.apply([enrol(), register()])
    boot[0] = Boot("one", 1000.0 + 86400.0)
    registry.apply([LastWake("web1", {})])
    assert registry.row("web1").sleep.wake_by == 800.0
    registry.close()
    assert leases(path, Boot("two", 1600.0 + 86400.0)) == (200.0, 200.0, 300.0)


def test_a_hello_of_a_host_leaves_no_lease(tmp_path: Path) -> None:
    registry = Registry(str(tmp_path / "registry.sqlite"))
    registry.apply([enrol(), register(), Hello("web1", 9, HERE, 3.0)])
    assert registry.due(-1e12, 0, 1e12, 9) == []
