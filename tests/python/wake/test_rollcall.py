# SPDX-License-Identifier: GPL-3.0-or-later
"""Telling the packet path of sleepers by kind says the same of each as telling it of one after the other."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.python.wake.test_registry import HERE, enrol

from powernap.wake.model import Address, Sleep, State
from powernap.wake.path.base import Alike, Entry, Key, gate_of
from powernap.wake.path.classic import ClassicPath
from powernap.wake.path.queue import PathQueue
from powernap.wake.posture import Stance
from powernap.wake.registry import Registry, Rest
from powernap.wake.registry.changes import Save
from powernap.wake.rollcall import RollCall

_TCP = (((22, 22),), ((80, 80), (443, 443)))
_STATES = (State.PROXIED, State.PROXIED, State.UNREACHABLE, State.WAKING, State.AWAKE)


class FakePath(ClassicPath):
    """Takes down what it is told."""

    def __init__(self) -> None:
        super().__init__("as tried")
        self.entries: dict[Key, Entry] = {}
        self.cards: dict[bytes, int] = {}

    def put(self, entries: Mapping[Key, Entry]) -> None:
        self.entries.update(entries)

    def put_alike(self, kinds: Collection[Alike]) -> None:
        for kind in kinds:
            for place, (host, ip) in enumerate(zip(kind.hosts, kind.each_ip(), strict=True)):
                own: dict[str, Any] = {"host": host, "mac": kind.macs[6 * place : 6 * place + 6]}
                self.entries[Key(kind.interface, 0, ip)] = Entry(**{**_fields(kind.entry), **own})

    def watch_cards(self, cards: Mapping[bytes, int]) -> None:
        self.cards.update(cards)


def _fields(entry: Entry) -> dict[str, Any]:
    return {name: getattr(entry, name) for name in Entry.__slots__}


class FakeSegment:
    def __init__(self) -> None:
        self.interface = HERE[0]
        self.groups: set[bytes] = set()

    def follow_group(self, ip: bytes, wanted: bool) -> None:
        self.groups.add(ip)


def stance(rest: Rest) -> Stance:
    return Stance(rest.state, rest.captured, rest.wake_on or "demand", rest.group != "careful", gate_of(rest.group))


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """Of each kind some: by group, way of waking, state, capture, run, ports, card, family."""
    registry = Registry(str(tmp_path / "registry.sqlite"))
    for number in range(1, 97):
        mac = bytes([2, 0, 0, 0, 0, number])
        facts = {"group": ("", "rack1", "careful")[number % 3], "wake_on": (None, "arp", "never", None)[number % 4]}
        host = registry.apply([enrol(f"host{number}", mac, f"198.18.1.{number}", **facts)])[0][1].number
        where = [Address("eth0", bytes([198, 18, 1, number]), mac if number % 7 else bytes(6))]
        where += [Address("eth0", bytes.fromhex("fd4c") + bytes(13) + bytes([number]), mac)] * (number % 2)
        where += [Address("gone", bytes([10, 0, 0, number]), mac)] * (number % 5 == 0)
        sleep = Sleep("suspend", tuple(where), (mac,), _TCP[number % 2], (), "1.2.3.4" if number % 8 == 0 else None)
        state = _STATES[number % 5]
        asleep = state is not State.AWAKE and number % 11
        run = registry.run - (number % 13 == 0)
        saved = Save(host, state, 1.0, number % 6 > 0, None, run, sleep if asleep else None, (mac,), tuple(where))
        registry.apply([saved])
    return registry


def told(registry: Registry, by_kind: bool, concluded: int = 0, busy: int = 0) -> tuple[FakePath, FakeSegment]:
    path, segment = FakePath(), FakeSegment()
    queue = PathQueue(path, {"eth0": segment})  # type: ignore[dict-item]  # as much of a segment as it needs
    hosts = {f"host{busy}": SimpleNamespace(number=busy)}
    roster = SimpleNamespace(hosts=hosts)
    call = RollCall(registry, roster, queue, lambda index: None, stance, lambda address: None, lambda name: None)  # type: ignore[arg-type]  # as above
    call._concluded = concluded
    asyncio.run(call._tell_by_kind() if by_kind else call._tell_one_by_one())
    return path, segment


@pytest.mark.parametrize(("concluded", "busy"), [(0, 0), (40, 3), (1000, 51)])
@pytest.mark.parametrize("page", [7, 2048])
def test_by_kind_and_one_by_one_the_same_is_told(
    registry: Registry, monkeypatch: pytest.MonkeyPatch, concluded: int, busy: int, page: int
):
    monkeypatch.setattr("powernap.wake.rollcall._LARGE_PAGE", page)
    (some, groups), (each, each_group) = told(registry, True, concluded, busy), told(registry, False, concluded, busy)
    assert some.entries == each.entries
    assert some.cards == each.cards
    assert groups.groups == each_group.groups
    kinds = {(entry.answers, entry.fires, entry.on_question, any(entry.mac)) for entry in each.entries.values()}
    assert len(kinds) > 5 and len(each.entries) > 80 and groups.groups


def test_only_those_in_doubt_are_asked(registry: Registry):
    doubted = registry.watched(0, 1000, before_run=registry.run)
    everyone = registry.watched(0, 1000)
    assert doubted == [rest for rest in everyone if rest.sleep is not None and rest.run < registry.run]
    assert 0 < len(doubted) < len(everyone)


def test_no_more_after_the_last(registry: Registry):
    page = registry.alike(0, 50, 1000, ())
    assert page is not None and page.last <= 50
    assert registry.alike(1000, 2000, 10, ()) is None
