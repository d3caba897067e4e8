# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts are in memory while something concerns them, and on disk always."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.python.wake.play import OWNER, SLEEP, THIRD, WEB4, WEB6, Play, knock

from powernap.net.interfaces import Interface
from powernap.wake import events as ev
from powernap.wake import roster as roster_module
from powernap.wake.arming import Arm
from powernap.wake.claiming import Claim
from powernap.wake.host import NEVER, Host
from powernap.wake.hosts import step
from powernap.wake.model import Policy, State
from powernap.wake.registry import Conflict, Journal, Registry, RegistryError, Row
from powernap.wake.registry.changes import Enrol, Forget, Register
from powernap.wake.roster import Roster

HERE = (Interface("eth0", 2, bytes(6), networks=tuple(map(ipaddress.ip_interface, ("198.18.0.1/16", "fd4c::1/64")))),)


def enrol(name: str = "web1", mac: bytes = OWNER, ip: str = "198.18.0.3") -> Enrol:
    return Enrol(name, (mac.hex(":"),), (ip,), None, "rack1", HERE, 1.0)


def register(name: str = "web1") -> Register:
    return Register(name, 5, SLEEP, "{}", (), SLEEP.wake_by, 1.0, run=1)


class Disk:
    """A registry, its journal and rosters on it."""

    def __init__(self, path: Path) -> None:
        self.registry = Registry(str(path))
        self.journal = Journal(self.registry)
        self.due: list[float] = []
        self.in_doubt = False

    def roster(self) -> Roster:
        def doubts(row: Row) -> bool:
            return self.in_doubt and row.sleep is not None

        return Roster(
            self.registry,
            self.journal,
            lambda record: record.wake_on or "demand",
            lambda: HERE,
            doubts,
            self.due.append,
        )

    async def settled(self) -> None:
        """What was submitted is written, and the roster has heard of it."""
        await self.journal.commit(Forget("nobody"))
        await asyncio.sleep(0)


def on(tmp_path: Path, story: Callable[[Disk], Awaitable[None]]) -> None:
    async def run() -> None:
        disk = Disk(tmp_path / "registry.sqlite")
        disk.registry.apply([enrol(), register()])
        await story(disk)
        await disk.journal.close()

    asyncio.run(run())


def proxied(roster: Roster) -> Host:
    host = roster.find("web1")
    assert host is not None
    return replace(Play().asleep().host, number=host.number, group="rack1", macs=host.macs, addresses=host.addresses)


def test_what_came_to_rest_is_the_same_host_when_it_is_loaded_again(tmp_path: Path) -> None:
    async def story(disk: Disk) -> None:
        first = disk.roster()
        host = proxied(first)
        first.keep(first.find("web1"), host)
        await disk.settled()
        again = disk.roster().find("web1")
        assert again is not None
        assert again.since == pytest.approx(host.since, abs=0.1)
        assert again == replace(host, since=again.since, neighbours=())
        assert again.deadline(Policy()) == host.deadline(Policy())

    on(tmp_path, story)


def test_steps_lead_to_the_same_whether_a_host_was_loaded_between_them_or_not(tmp_path: Path) -> None:
    async def story(disk: Disk) -> None:
        first = disk.roster()
        kept = proxied(first)
        first.keep(first.find("web1"), kept)
        await disk.settled()
        loaded = disk.roster().find("web1")
        for event in (knock(), ev.OwnerSeen(WEB4.ip), ev.Hello("resume")):
            kept, effects = step(kept, event, 2000.0, Policy())
            loaded, others = step(loaded, event, 2000.0, Policy())
            assert [e for e in effects if not isinstance(e, ev.GiveBack)] == [
                e for e in others if not isinstance(e, ev.GiveBack)
            ]
            assert loaded.state is kept.state

    on(tmp_path, story)


def test_those_on_disk_are_found_by_address_and_card(tmp_path: Path) -> None:
    async def story(disk: Disk) -> None:
        roster = disk.roster()
        assert roster.host_of_card(OWNER) == "web1" and roster.host_of_card(THIRD) is None
        assert roster.hosts_of_ip(WEB6.ip) == ("web1",)
        assert roster.owner_of("eth0", bytes(4)) is None and roster.owner_of("eth1", WEB4.ip) is None
        assert not roster.hosts
        assert roster.owner_of("eth0", WEB4.ip) == ("web1", WEB4)
        assert list(roster.hosts) == ["web1"], "what is asked for is loaded at once"
        assert roster.sleep_of("web1") == SLEEP and roster.sleep_of("nobody") is None

    on(tmp_path, story)


def test_what_is_remembered_of_the_disk_follows_what_hosts_do(tmp_path: Path) -> None:
    async def story(disk: Disk) -> None:
        roster = disk.roster()
        host = roster.find("web1")
        assert roster.owner_of("eth0", WEB6.ip) == ("web1", WEB6)
        awake = replace(host, sleep=None, state=State.AWAKE)
        roster.keep(host, awake)
        assert roster.owner_of("eth0", WEB6.ip) is None  # though the disk does not know yet
        await disk.settled()
        roster.let_go()
        assert not roster.hosts
        assert roster.owner_of("eth0", WEB6.ip) is None and roster.owner_of("eth0", WEB4.ip) == ("web1", WEB4)

    on(tmp_path, story)


def test_only_so_many_at_rest_stay_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roster_module, "_MOST_AT_REST", 5)

    async def story(disk: Disk) -> None:
        macs = [bytes([2, 0, 0, 0, 0, number]) for number in range(20)]
        disk.registry.apply(enrol(mac.hex(), mac, f"198.18.1.{mac[5]}") for mac in macs)
        roster = disk.roster()
        for mac in macs:
            assert roster.find(mac.hex()) is not None
        assert list(roster.hosts) == [mac.hex() for mac in macs[-5:]]
        assert roster.states["awake"] == 20
        host = roster.find(macs[0].hex())
        busy, _effects = step(host, ev.Order("somebody", 5.0), 10.0, Policy())
        roster.keep(host, busy)
        for mac in macs[1:]:
            roster.find(mac.hex())
        assert roster.hosts[macs[0].hex()] is busy and len(roster.hosts) == 6

    on(tmp_path, story)


def test_what_is_not_yet_on_disk_is_not_let_go(tmp_path: Path) -> None:
    async def story(disk: Disk) -> None:
        roster = disk.roster()
        roster.keep(roster.find("web1"), proxied(roster))
        roster.let_go()
        assert "web1" in roster.hosts
        await disk.settled()
        roster.let_go()
        assert not roster.hosts

    on(tmp_path, story)


def test_a_full_disk_keeps_hosts_in_memory_until_it_has_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roster_module, "_AGAIN_SECONDS", 0.05)

    async def story(disk: Disk) -> None:
        roster = disk.roster()
        apply = disk.registry.apply

        def fake_full_disk(changes: object) -> list[object]:
            raise RegistryError("full")

        disk.registry.apply = fake_full_disk  # type: ignore[method-assign]
        roster.keep(roster.find("web1"), proxied(roster))
        await asyncio.sleep(0.02)
        roster.let_go()
        assert "web1" in roster.hosts and disk.registry.record("web1").state == "registered"
        disk.registry.apply = apply  # type: ignore[method-assign]
        for _turn in range(200):
            await asyncio.sleep(0.02)
            if disk.registry.record("web1").state == "proxied":
                break
        await disk.settled()
        roster.let_go()
        assert not roster.hosts and disk.registry.record("web1").state == "proxied"

    on(tmp_path, story)


def test_a_lease_is_told_of_when_the_sleep_is_certain_and_has_no_timer_of_its_own(tmp_path: Path) -> None:
    async def story(disk: Disk) -> None:
        disk.registry.apply([enrol("file1", THIRD, "198.18.0.4")])
        roster = disk.roster()
        sleep = replace(SLEEP, wake_by=5000.0, lease_ends=6000.0)
        host = replace(proxied(roster), sleep=sleep)
        roster.keep(roster.find("web1"), host)
        assert disk.due == [5000.0] and roster.due_of(host) == 5000.0
        assert roster.deadline(host) == NEVER
        announcing = replace(host, claim=Claim(1000.0, told=1))
        assert roster.deadline(announcing) < 5000.0

    on(tmp_path, story)


def test_what_becomes_of_a_host_is_not_written_after_a_sleep_that_it_registers_meanwhile(tmp_path: Path) -> None:
    async def story(disk: Disk) -> None:
        roster = disk.roster()
        awake = proxied(roster)
        with roster.registering("web1"):
            registered = disk.journal.submit(replace(register(), sequence=6))
            # It was getting its addresses back from its last wake, and that ends now.
            settled = replace(awake, state=State.AWAKE, sleep=None, captured=False)
            roster.keep(roster.find("web1"), settled)
            roster.let_go()
            assert roster.hosts["web1"] is settled
            await registered
            roster.keep(settled, replace(settled, state=State.REGISTERED, sleep=SLEEP, arm=Arm(1.0, 0.0)))
        await disk.settled()
        row = disk.registry.row("web1")
        assert row.record.state == "registered" and row.sleep == SLEEP, "it was acknowledged"

    on(tmp_path, story)


def test_what_became_of_a_host_is_written_where_the_sleep_that_it_registered_was_not(tmp_path: Path) -> None:
    async def story(disk: Disk) -> None:
        roster = disk.roster()
        with contextlib.suppress(Conflict), roster.registering("web1"):
            roster.keep(roster.find("web1"), replace(proxied(roster), state=State.AWAKE, sleep=None, captured=False))
            await disk.journal.commit(register())  # of a number that was used before
        await disk.settled()
        assert disk.registry.row("web1").sleep is None and disk.registry.record("web1").state == "awake"
        roster.let_go()
        assert not roster.hosts

    on(tmp_path, story)


def test_one_in_doubt_is_known_as_such_until_it_is_asked(tmp_path: Path) -> None:
    async def story(disk: Disk) -> None:
        disk.in_doubt = True
        roster = disk.roster()
        assert roster.find("web1") is not None and roster.doubted == {"web1"}
        roster.let_go()
        assert "web1" in roster.hosts

    on(tmp_path, story)


def test_a_forgotten_host_is_gone_from_memory_and_counts(tmp_path: Path) -> None:
    async def story(disk: Disk) -> None:
        roster = disk.roster()
        host = roster.find("web1")
        roster.keep(host, proxied(roster))
        await disk.journal.commit(Forget("web1"))
        roster.forget(roster.hosts["web1"])
        await disk.settled()
        assert not roster.hosts and sum(roster.states.values()) == 0
        assert roster.owner_of("eth0", WEB4.ip) is None and roster.find("web1") is None

    on(tmp_path, story)
