# SPDX-License-Identifier: GPL-3.0-or-later
"""What the packet path is told of those whom the kernel must not wake, or not for somebody."""

from __future__ import annotations

import asyncio
import errno
import time
from collections.abc import Collection, Mapping
from typing import Any

import pytest

from powernap.wake import firing as firing_module
from powernap.wake.clock import clock
from powernap.wake.demand.doorkeeper import TOO_MANY
from powernap.wake.firing import Firing, unwelcome_of
from powernap.wake.path.base import Ignored, Unwelcome, gate_of
from powernap.wake.wolf import Crier, Demotion

DESK, SHOP = bytes((198, 18, 0, 9)), bytes((198, 18, 0, 8))


class FakePath:
    """Remembers what it is told; it has room for a few only."""

    def __init__(self) -> None:
        self.gates: set[int] = set()
        self.told = 0
        self.told_often = asyncio.Event()
        self.until: dict[Unwelcome, float] = {}

    def shut(self, gates: Collection[int]) -> None:
        self.gates = set(gates)
        self.told += 1
        if self.told == 3:
            self.told_often.set()

    def refuse(self, unwelcome: Mapping[Unwelcome, float]) -> None:
        if len(unwelcome) > 3:
            raise OSError(errno.E2BIG, "too many")
        self.until = dict(unwelcome)

    def refused(self) -> dict[Unwelcome, Ignored]:
        return {who: Ignored(7, clock() - 2, 1, "tcp", 22) for who in self.until}

    def limited(self) -> dict[bytes, Ignored]:
        return {SHOP: Ignored(5, clock(), 2, "question", 0)}


def made(path: Any, short: set[str], denied: dict[Unwelcome, str], demoted: dict[Crier, Demotion]) -> Firing:
    return Firing(path, lambda: short, lambda: denied, lambda: demoted, {1: "web1", 2: "web2"}.get)


def test_groups_that_are_short_and_no_others_have_shut_gates() -> None:
    async def body() -> None:
        path, short = FakePath(), {"lab"}
        firing = made(path, short, {}, {})
        firing.shut()
        assert path.gates == {gate_of("lab")}
        short.add("")
        firing.shut()
        assert path.gates == {gate_of("lab"), 0}
        short.clear()
        firing.shut()
        assert path.gates == set()

    asyncio.run(body())


def test_gates_are_shut_again_before_they_open_by_themselves_and_left_alone_once_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(firing_module, "GATE_SECONDS", 0.03)

    async def body() -> None:
        path, short = FakePath(), {"lab"}
        firing = made(path, short, {}, {})
        firing.shut()
        await path.told_often.wait()
        short.clear()
        firing.shut()
        told = path.told
        await asyncio.sleep(0.1)
        assert path.told == told

    asyncio.run(asyncio.wait_for(body(), 30))


def test_who_is_not_believed_is_refused_until_then_and_the_denied_for_ever() -> None:
    demoted = {Crier(DESK, "tcp/22"): Demotion(0, time.time() + 60, "cried wolf")}
    path = FakePath()
    firing = made(path, set(), {Unwelcome(SHOP): "denied"}, demoted)
    firing.refuse()
    assert path.until[Unwelcome(SHOP)] == float("inf")
    assert path.until[Unwelcome(DESK, "tcp", 22)] == pytest.approx(clock() + 60, abs=5)
    ignored = {(who, reason, each.times, each.host) for who, reason, each in firing.ignored()}
    assert ignored == {
        (Crier(SHOP, "arp"), TOO_MANY, 5, "web2"),
        (Crier(SHOP, "tcp/22"), "denied", 7, "web1"),
        (Crier(DESK, "tcp/22"), "cried wolf", 7, "web1"),
    }
    assert max(each.last for _who, _reason, each in firing.ignored()) == pytest.approx(time.time(), abs=30)


def test_where_it_cannot_refuse_them_all_it_fires_for_nobody_until_it_can() -> None:
    async def body() -> None:
        denied = {Unwelcome(bytes((10, 0, 0, number))): "denied" for number in range(5)}
        path = FakePath()
        firing = made(path, {"lab"}, denied, {})
        firing.refuse()
        assert path.gates == {0, gate_of("lab")}
        denied.clear()
        firing.refuse()
        assert path.gates == {gate_of("lab")}

    asyncio.run(body())


@pytest.mark.parametrize(
    ("by", "unwelcome"),
    [
        ("tcp/22", ("tcp", 22)),
        ("udp/53", ("udp", 53)),
        ("arp", ("question", 0)),
        ("neighbour_solicitation", ("question", 0)),
    ],
)
def test_by_what_somebody_cried_is_known_in_the_kernel(by: str, unwelcome: tuple[str, int]) -> None:
    assert unwelcome_of(Crier(DESK, by)) == Unwelcome(DESK, *unwelcome)
