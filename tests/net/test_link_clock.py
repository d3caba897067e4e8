# SPDX-License-Identifier: GPL-3.0-or-later
"""A real powernapd and a real powerwaked, of which one has a clock that is a day off, and is set right meanwhile."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.net.crasher import Host, stood_in_for
from tests.net.false_clock import DAY, FalseClock
from tests.net.lan import Lan, wait_for
from tests.net.linked import order, outcomes, status, wait_for_status
from tests.net.node import Node

ahead = pytest.mark.parametrize("days", [-1, 1])


@pytest.fixture
def desk(bare_lan: Lan) -> Node:
    return bare_lan.client()


@pytest.fixture
def hosts() -> Iterator[list[Host]]:
    made: list[Host] = []
    yield made
    for each in made:
        each.end()


def host_on(lan: Lan, folder: Path, hosts: list[Host]) -> Host:
    hosts.append(Host(lan, folder, port=20709))
    hosts[-1].node.serve(80)
    return hosts[-1]


def naps_and_wakes(lan: Lan, host: Host, desk: Node) -> None:
    """An order is obeyed once, who sleeps is stood in for, and demand wakes it."""
    before = host.naps
    wait_for(host.is_linked, 60, 0.1)
    done = order(lan, "recover", 20, hosts=["web1"])
    assert outcomes(done) == {"web1": "done"}, done["results"]
    wait_for(lambda: outcomes(order(lan, "nap", 20, hosts=["web1"])) == {"web1": "done"}, 30, 0.5)
    stood_in_for(lan)
    assert host.naps == before + 1
    desk.connect(host.node.ipv4, 80, 20)[0].close()
    wait_for_status(lan, "web1", "awake")
    wait_for(host.is_linked, 60, 0.1)


@ahead
def test_a_client_s_clock_is_a_day_off_and_is_set_right(
    bare_lan: Lan, desk: Node, tmp_path: Path, hosts: list[Host], days: int
) -> None:
    bare_lan.server.start()
    host = host_on(bare_lan, tmp_path / "web1", hosts)
    clock = FalseClock(tmp_path, days * DAY)
    host.environment |= clock.environment
    host.start()
    naps_and_wakes(bare_lan, host, desk)
    clock.set(0)
    naps_and_wakes(bare_lan, host, desk)
    clock.set(days * DAY)
    naps_and_wakes(bare_lan, host, desk)
    assert host.naps == 3


@ahead
def test_a_server_s_clock_is_a_day_off_and_is_set_right(
    bare_lan: Lan, desk: Node, tmp_path: Path, hosts: list[Host], days: int
) -> None:
    clock = FalseClock(tmp_path, days * DAY)
    bare_lan.server.environment = {**os.environ, **clock.environment}
    bare_lan.server.start()
    told = float(bare_lan.server.admin.get("/api/v1/status")["started_at"])
    assert abs(told - time.time() - days * DAY) < 3600, "its clock is off indeed"
    host = host_on(bare_lan, tmp_path / "web1", hosts)
    host.start()
    naps_and_wakes(bare_lan, host, desk)
    clock.set(0)
    naps_and_wakes(bare_lan, host, desk)
    bare_lan.server.stop()
    clock.set(-days * DAY)
    bare_lan.server.start()
    naps_and_wakes(bare_lan, host, desk)
    assert status(bare_lan, "web1")["state"] == "awake"
