# SPDX-License-Identifier: GPL-3.0-or-later
"""The daemon is killed at any moment, amid registrations and wakes: no host that was told "yes" is left asleep."""

from __future__ import annotations

import errno
import http.client
import random
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import pytest
from tests.net.lan import Lan, Node, Sleeper, on_each_path, wait_for

T = TypeVar("T")
HOSTS, KILLS = 12, 3
PATIENCE = 60.0  # seconds


def knock(desk: Node, address: str) -> None:
    """Connect. Where nobody answers for the host the kernel gives up after 3 s, which a server's start may last."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            desk.connect(address, 80, 20)[0].close()
            return
        except OSError as error:
            if error.errno != errno.EHOSTUNREACH or time.monotonic() > end:
                raise


def reached(lan: Lan, host: Sleeper, attempt: Callable[[], T]) -> T:
    """What the attempt gives; a failure tells how it came to it."""
    try:
        return attempt()
    except OSError as error:
        log = [line for line in lan.server.log.read_text().splitlines() if f"{host.name}:" in line or "ready" in line]
        facts = f"{host.asleep=}, {len(host.magic_at)} magic packets, server says {lan.state(host.name)}"
        raise AssertionError("\n".join([f"{host.name}: {error}; {facts}", *log[-25:]])) from None


@on_each_path
def test_whenever_it_is_killed_every_sleeper_is_woken_afterwards(lan: Lan) -> None:
    desk, dice = lan.client(), random.Random(7)
    hosts = [lan.sleeper(f"host{number}", 20 + number) for number in range(HOSTS)]
    slept = 0
    for host in hosts:
        host.serve(80)

    def naps(host: Sleeper, after: float, wakes: bool) -> bool:
        """Whether it slept: only one that was acknowledged does."""
        time.sleep(after)
        try:
            status, _content = host.say("asleep", host.registration("80"))
        except (OSError, http.client.HTTPException):
            return False
        if status == 200:
            host.sleep()
            if wakes:
                time.sleep(after)
                knock(desk, (host.ipv4, host.ipv6)[host.number % 2])
        return status == 200

    for _ in range(KILLS):
        with ThreadPoolExecutor(HOSTS) as pool:
            said = [pool.submit(naps, host, dice.random(), dice.random() < 0.3) for host in hosts]
            time.sleep(0.3 + dice.random())
            lan.server.stop(signal.SIGKILL)
            lan.server.start()
            for host, each in zip(hosts, said, strict=True):
                slept += reached(lan, host, each.result)
            list(pool.map(lambda host: reached(lan, host, lambda: knock(desk, host.ipv4)), hosts))
            for host in hosts:
                host.settle()
    print(f"{KILLS} kills, {slept} naps, all woken")
    assert slept > KILLS * HOSTS / 3


@pytest.mark.parametrize("path", ["ebpf"], indirect=True)
@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_what_is_pinned_wakes_a_host_while_no_daemon_runs(lan: Lan, family: str) -> None:
    desk, web1 = lan.client(), lan.sleeper()
    address = getattr(web1, family)
    web1.serve(80)
    web1.nap()
    wait_for(lambda: desk.owners(address) == {lan.server.mac})
    lan.server.stop(signal.SIGKILL)
    web1.says_hello = False
    assert desk.owners(address) == {lan.server.mac}, "the kernel goes on answering"
    with ThreadPoolExecutor(1) as pool:
        connecting = pool.submit(desk.connect, address, 80, 20)
        web1.settle()
        web1.announces_itself()
        connecting.result()[0].close()  # the client repeats its SYN, and has learnt where to
    assert desk.owners(address) == {web1.mac}, "the owner's own frames have ended that"
    lan.server.start()
    wait_for(lambda: lan.state("web1") in ("arming", "awake"))  # it answers, but has not said that it is awake
    assert desk.owners(address) == {web1.mac}
    web1.say("awake", {"cause": "resume", "slept_seconds": 1.0})
    lan.wait_for_state("web1", "awake")
    assert desk.owners(address) == {web1.mac}
