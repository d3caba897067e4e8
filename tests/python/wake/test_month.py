# SPDX-License-Identifier: GPL-3.0-or-later
"""A month of fifty hosts in some seconds: the whole server on a clock that is made to run, with kills in between.

Only the network is fake: cards that sleep, wake on magic packets, and answer probes while they are awake.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import ipaddress
import json
import os
import random
import selectors
import sqlite3
import struct
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from powernap.config.wake import load_wake
from powernap.net import arp
from powernap.net.checksum import checksum, pseudo_header
from powernap.net.frames import parse
from powernap.net.interfaces import Interface
from powernap.wake import segments as segments_module
from powernap.wake import service as service_module
from powernap.wake.demand.base import Received
from powernap.wake.looks import Looks
from powernap.wake.model import Address, Held, Visitor
from powernap.wake.path.classic import ClassicPath
from powernap.wake.registry import Registry
from powernap.wake.service import Service

SEED = int(os.environ.get("POWERNAP_MONTH_SEED", "1"))
DAYS = float(os.environ.get("POWERNAP_MONTH_DAYS", "30"))
HOSTS = 50
DAY = 86400.0
OURS = bytes.fromhex("024c00000001")
DESK = bytes.fromhex("024c00000009")
ETH0 = Interface("eth0", 2, OURS, networks=(ipaddress.ip_interface("198.18.0.1/16"),))
LONGEST_OUTAGE = 600.0
MAY_STAY = 1100  # the event log, and what is remembered of hosts at rest, are bounded


class Time:
    """All clocks."""

    def __init__(self) -> None:
        self.now = 5000.0

    def boottime(self, number: int = time.CLOCK_BOOTTIME) -> float:
        return self.now

    def unix(self) -> float:
        return 1.8e9 + self.now


class FakeSelector(selectors.SelectSelector):
    """Nobody waits: the time goes on instead."""

    def __init__(self, clock: Time) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        found = super().select(0)
        if not found and timeout:
            self._clock.now += max(timeout, 1e-6)
        return found


class FakeLoop(asyncio.SelectorEventLoop):
    def __init__(self, clock: Time) -> None:
        super().__init__(FakeSelector(clock))
        self._clock = clock

    def time(self) -> float:
        return self._clock.now

    def run_in_executor(self, executor: Any, function: Any, *arguments: Any) -> asyncio.Future[Any]:
        done: asyncio.Future[Any] = self.create_future()
        try:
            done.set_result(function(*arguments))
        except Exception as error:  # noqa: BLE001  as an executor does
            done.set_exception(error)
        return done


class Machine:
    def __init__(self, number: int) -> None:
        self.name = f"host{number}"
        self.ip = bytes((198, 18, 1, number + 1))
        self.mac = b"\x02\x4c\x01\x00\x00" + bytes((number,))
        self.sequence = 0
        self.asleep = self.comes = False
        self.hello = True
        self.since = 0.0
        self.lease = DAY

    def registration(self) -> bytes:
        card = {"name": "eth0", "mac": self.mac.hex(":"), "addresses": [f"{ipaddress.ip_address(self.ip)}/16"]}
        body = {"action": "suspend", "interfaces": [card], "tcp_ports": "80", "udp_ports": "", "used": None}
        return json.dumps({**body, "lease_seconds": self.lease, "password": None}).encode()


class FakeSegment:
    """What the server sends reaches the machines; what they send is read a moment later."""

    world: World

    def __init__(self, interface: Interface, path: object) -> None:
        self.interface = interface
        self.waiting: list[Received] = []
        self._ends = os.pipe()

    def receive(self, most: int = 0) -> list[Received]:
        received, self.waiting = self.waiting, []
        return received

    def fileno(self) -> int:
        return self._ends[0]

    def close(self, gone: bool) -> None:
        for end in self._ends:
            os.close(end)

    def send(self, frame: bytes) -> bool:
        self.world.hears(frame)
        return True

    def probe(self, address: Address, everybody: bool) -> None:
        machine = self.world.by_ip.get(address.ip)
        if machine is not None and not machine.asleep:
            self.world.answers(machine)

    def announce(self, address: Address, owner: bytes | None = None, to: bytes | None = None) -> None:
        if owner is None and to is None and not self.world.by_ip[address.ip].asleep:
            self.world.count["captured while awake"] += 1

    def answer(self, address: Address, visitor: Visitor) -> None:
        pass

    def pong(self, request: bytes) -> None:
        pass

    def replay(self, held: Held) -> bool:
        machine = self.world.by_ip[held.address.ip]
        if not machine.asleep:
            self.world.count["replayed"] += 1
            self.world.answers(machine)
        return True

    def follow_group(self, ip: bytes, wanted: bool) -> None:
        pass

    def describe(self) -> dict[str, Any]:
        return {}


class World:
    def __init__(self, clock: Time, dice: random.Random, path: Path) -> None:
        self.clock, self.dice, self.path = clock, dice, path
        self.machines = [Machine(number) for number in range(HOSTS)]
        self.by_ip = {machine.ip: machine for machine in self.machines}
        self.by_mac = {machine.mac: machine for machine in self.machines}
        self.count: Counter[str] = Counter()
        self.service: Service | None = None
        self.quiet = False
        self._plan: list[tuple[float, int, Callable[[], Any]]] = []
        self._numbers = iter(range(1 << 60))
        self.wake_up = asyncio.Event()

    def later(self, seconds: float, act: Callable[[], Any]) -> None:
        heapq.heappush(self._plan, (self.clock.now + seconds, next(self._numbers), act))
        self.wake_up.set()

    async def run(self, until: float) -> None:
        while True:
            due = self._plan[0][0] if self._plan else until
            if min(due, until) > self.clock.now + 1e-4:
                self.wake_up.clear()
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(self.wake_up.wait(), min(due, until) - self.clock.now)
                continue
            if due > until or not self._plan:
                return
            self.clock.now = max(self.clock.now, due)
            done = heapq.heappop(self._plan)[2]()
            if done is not None:
                await done

    def reads(self, raw: bytes) -> None:
        service = self.service
        if service is None:
            return
        frame = parse(raw.ljust(60, b"\0"))
        segment = service.engine.segments.get("eth0")
        if segment is not None:
            segment.waiting.append(Received("eth0", frame, raw))
            service.engine._read(segment)

    # The machines

    def goes_to_sleep(self, machine: Machine) -> Any:
        if machine.asleep or self.quiet or self.service is None:
            self.later(self.dice.expovariate(1 / 20000), lambda: self.goes_to_sleep(machine))
            return None
        return self._registers(machine)

    async def _registers(self, machine: Machine) -> None:
        machine.sequence += 1
        machine.lease = self.dice.choice((3600.0, DAY, 7 * DAY))
        service = self.service
        assert service is not None
        record = service.record(machine.name)
        service.enrolment.accept(record, machine.sequence)
        await service.enrolment.asleep(record, machine.sequence, machine.registration())
        machine.asleep, machine.hello, machine.since = True, self.dice.random() < 0.8, self.clock.now
        self.count["sleeps"] += 1
        kind = self.dice.random()
        if kind < 0.6:
            self.later(self.dice.expovariate(1 / 20000), lambda: self.knocks(machine))
        elif kind < 0.7:
            self.later(self.dice.expovariate(1 / 20000), lambda: self.wakes(machine))

    def knocks(self, machine: Machine, tries: int = 0) -> None:
        """TCP: the SYN is repeated after 1, 3, 7, 15 s."""
        if machine.asleep:
            if tries > 6:
                self.count["never woken"] += 1
                return
            self.reads(syn(machine, 40000 + self.dice.randrange(9)))
            self.later(2.0**tries, lambda: self.knocks(machine, tries + 1))

    def hears(self, frame: bytes) -> None:
        at = frame.find(b"\xff" * 6, 12)
        machine = self.by_mac.get(frame[at + 6 : at + 12]) if at >= 0 else None
        if machine is not None and machine.asleep and not machine.comes and self.dice.random() < 0.9:
            machine.comes = True
            self.count["woken"] += 1
            self.later(self.dice.choice((0.5, 3.0, 8.0)), lambda: self.wakes(machine))

    def wakes(self, machine: Machine) -> Any:
        if not machine.asleep:
            return None
        machine.asleep = machine.comes = False
        self.count["slept too long"] += self.clock.now - machine.since > machine.lease + LONGEST_OUTAGE + 60
        self.later(self.dice.expovariate(1 / 20000), lambda: self.goes_to_sleep(machine))
        self.later(0.01, lambda: self.reads(arp.announcement(machine.mac, machine.mac, machine.ip)))
        return self._says_hello(machine) if machine.hello and self.service is not None else None

    async def _says_hello(self, machine: Machine) -> None:
        machine.sequence += 1
        assert self.service is not None
        record = self.service.record(machine.name)
        self.service.enrolment.accept(record, machine.sequence)
        await self.service.enrolment.awake(record, machine.sequence, "resume")

    def answers(self, machine: Machine) -> None:
        self.later(0.001, lambda: self.reads(arp.answer(machine.mac, machine.ip, OURS, ETH0.ipv4 or bytes(4))))


def syn(machine: Machine, port: int) -> bytes:
    tcp = struct.pack("!HHIIBBHHH", port, 80, 1, 0, 0x50, 2, 64240, 0, 0)
    peer = bytes((198, 18, 0, 9))
    tcp = tcp[:16] + checksum(pseudo_header(peer, machine.ip, 6, 20) + tcp).to_bytes(2, "big") + tcp[18:]
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 40, 1, 0x4000, 64, 6, 0, peer, machine.ip)
    return OURS + DESK + b"\x08\x00" + ip[:10] + checksum(ip).to_bytes(2, "big") + ip[12:] + tcp


def sizes(root: object) -> dict[str, int]:
    """The lengths of all containers that the server holds, by where they are."""
    found: dict[str, int] = {}
    seen = set()

    def walk(value: object, where: str) -> None:
        if id(value) in seen or isinstance(value, (World, FakeSegment, sqlite3.Connection)):
            return
        seen.add(id(value))
        if hasattr(value, "__len__") and not isinstance(value, (str, bytes, tuple)):
            found[where] = len(value)
        if type(value).__module__.startswith("powernap") and hasattr(value, "__dict__"):
            for name, each in vars(value).items():
                walk(each, f"{where}.{name}")

    walk(root, "service")
    return found


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    clock = Time()
    monkeypatch.setattr(time, "clock_gettime", clock.boottime)
    monkeypatch.setattr(time, "time", clock.unix)
    made = World(clock, random.Random(SEED), tmp_path)
    FakeSegment.world = made
    monkeypatch.setattr(segments_module, "Segment", FakeSegment)
    monkeypatch.setattr(segments_module, "_present", lambda: {"eth0": ETH0})
    monkeypatch.setattr(service_module, "Looks", lambda registry, probe, seconds: Looks(registry, probe, 1800.0))
    config = tmp_path / "powerwaked.toml"
    config.write_text(
        f'[registry]\npath = "{tmp_path}/registry.sqlite"\n[wake]\ninterfaces = ["eth0"]\n'
        '[discovery]\nuse = "off"\n[presence]\nlook_seconds = 3600\n'
    )
    return made


async def life(world: World, until: float, first: bool) -> dict[str, int]:
    """One run of the daemon. It is killed: nothing of it is closed but its files."""
    registry = Registry(f"{world.path}/registry.sqlite")
    registry._writer.execute("PRAGMA synchronous=OFF")
    service = Service(load_wake(str(world.path / "powerwaked.toml")), registry, ClassicPath("a test"))
    service.start()
    world.service, world.wake_up = service, asyncio.Event()
    if first:
        for machine in world.machines:
            facts = {"macs": [machine.mac.hex(":")], "addresses": [str(ipaddress.ip_address(machine.ip))]}
            await service.enrolment.enrol(machine.name, facts)
            world.later(world.dice.random() * 20000, lambda machine=machine: world.goes_to_sleep(machine))
    await world.run(until)
    found = sizes(service)
    if world.quiet:
        check_consistent(world, service)
    world.service = None
    registry.close()
    return found


def live(world: World, until: float, first: bool) -> dict[str, int]:
    loop = FakeLoop(world.clock)
    asyncio.set_event_loop(loop)
    try:
        return loop.run_until_complete(life(world, until, first))
    finally:
        for task in asyncio.all_tasks(loop):
            task._log_destroy_pending = False
        loop.close()
        asyncio.set_event_loop(None)


def check_consistent(world: World, service: Service) -> None:
    for machine in world.machines:
        state = service.record(machine.name).state
        host = service.roster.peek(machine.name)
        assert host is not None and host.state.value == state
        assert (state == "proxied") == machine.asleep, f"{machine.name} is {state}, {machine.asleep=}"
    counted = {state: number for state, number in service.roster.states.items() if number}
    assert sum(counted.values()) == HOSTS
    assert counted.get("proxied", 0) == sum(machine.asleep for machine in world.machines)


def test_after_a_month_nothing_has_piled_up_and_everybody_is_where_he_is_believed_to_be(world: World) -> None:
    clock, dice = world.clock, world.dice
    end, first = clock.now + DAYS * DAY, True
    kills = sorted(clock.now + dice.random() * DAYS * DAY / 2 for _kill in range(15))
    for until in [*kills, end]:
        found = live(world, until, first)
        first = False
        clock.now += dice.choice((0.5, 5.0, LONGEST_OUTAGE))
    world.quiet = True
    live(world, clock.now + 60.0, False)
    print(dict(world.count), {where: size for where, size in found.items() if size > 20})
    assert world.count["woken"] > HOSTS * DAYS / 2
    assert world.count["never woken"] == world.count["slept too long"] == 0
    assert world.count["captured while awake"] == 0
    assert all(size <= MAY_STAY for size in found.values()), found
