# SPDX-License-Identifier: GPL-3.0-or-later
"""powerwaked killed at any moment: who was acknowledged is stood in for again, who is awake is not, and nobody waits.

POWERNAP_KILL_SEED and POWERNAP_KILLS try other moments, and more of them.
"""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import json
import os
import random
import signal
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from tests.net.lan import Lan, Node, Sleeper, on_each_path
from tests.net.sleeper import wrong_entries

from powernap.net import arp
from powernap.shared.mac import mac_bytes

SEED = int(os.environ.get("POWERNAP_KILL_SEED", "1"))
KILLS = int(os.environ.get("POWERNAP_KILLS", "3"))
HOSTS = 6
AGAIN_SECONDS = 2.0
NO_ANSWER = (OSError, http.client.HTTPException, json.JSONDecodeError)


class Life:
    """One host in a round: what it does when the daemon is killed. `told`: it was promised to be woken."""

    def __init__(self, host: Sleeper, desk: Node, dice: random.Random) -> None:
        self.host, self.desk = host, desk
        self.does: Callable[[], None] = dice.choice(
            (self.registers, self.registers, self.sleeps, self.is_wanted, self.is_wanted, self.wakes, self.is_silent)
        )
        self.after = dice.random() * dice.choice((0.05, 0.3))
        self.told = self.asked = False
        self.connected: socket.socket | None = None
        host.resume_delay = dice.choice((0.0, 0.05, 0.3))
        host.says_hello = False

    @property
    def starts_asleep(self) -> bool:
        return self.does not in (self.registers, self.is_silent)

    def prepare(self) -> None:
        if self.starts_asleep:
            self.told = True
            self.host.nap()

    def run(self) -> None:
        time.sleep(self.after)
        self.does()

    def registers(self) -> None:
        with contextlib.suppress(*NO_ANSWER):
            status, content = self.host.say("asleep", self.host.registration("80"))
            assert status == 200, content
            self.told = True
            self.host.sleep()

    def sleeps(self) -> None:
        pass

    is_silent = sleeps

    def is_wanted(self) -> None:
        """Its client is patient, as TCP is: one connect(), whose SYN is repeated."""
        self.asked = True
        self.connected, _ = self.desk.connect(self.host.ipv4, 80, 25)

    def wakes(self) -> None:
        """By its power button; its hello may be lost, but every machine tells its neighbours that it is there."""
        self.host.wake()
        announce(self.host)
        says_hello(self.host)

    def __str__(self) -> str:
        return f"{self.host.name} {self.does.__name__} after {self.after * 1000:.0f} ms, told {self.told}"


def announce(host: Sleeper) -> None:
    mac = mac_bytes(host.mac)
    with host.raw() as nic:
        nic.send(arp.announcement(mac, mac, ipaddress.ip_address(host.ipv4).packed))


def says_hello(host: Sleeper) -> None:
    with contextlib.suppress(*NO_ANSWER):
        host.say("awake", {"cause": "resume", "slept_seconds": 1.0})


@on_each_path
def test_killed_at_any_moment_it_keeps_what_it_promised(lan: Lan) -> None:
    dice = random.Random(SEED)
    desk, bystander = lan.client("desk", 9), lan.client("bystander", 10)
    hosts = [lan.sleeper(f"host{number}", 20 + number) for number in range(HOSTS)]
    for host in hosts:
        host.serve(80)
        bystander.knows(host.ipv4)
    for kill in range(KILLS):
        lives = [Life(host, desk, dice) for host in hosts]
        with ThreadPoolExecutor(HOSTS) as pool:
            list(pool.map(Life.prepare, lives))
            running = [pool.submit(life.run) for life in lives]
            time.sleep(dice.random() * 0.35)
            lan.server.stop(signal.SIGKILL)
            lan.server.start()
            up = time.monotonic()
            story = f"kill {kill} of seed {SEED}: " + "; ".join(map(str, lives))
            for life in lives:
                if life.told and not life.asked:
                    is_captured_or_awake(lan, desk, life, up, story)
            for life, future in zip(lives, running, strict=True):
                try:
                    future.result(30)
                except (OSError, AssertionError) as error:
                    raise AssertionError(f"{life}: {error!r}; {story}") from error
            check_all(lan, lives, [desk, bystander, lan.server], story)


def is_captured_or_awake(lan: Lan, desk: Node, life: Life, up: float, story: str) -> None:
    """Within the time: the server answers for it where it sleeps, and for nobody that is awake."""
    while True:
        asleep = life.host.asleep
        owners = desk.owners(life.host.ipv4, 0.1)
        if owners == {lan.server.mac if asleep else life.host.mac}:
            return
        assert time.monotonic() - up < AGAIN_SECONDS + 0.5, f"{life.host.name} is at {owners}, {asleep=}: {story}"


def check_all(lan: Lan, lives: list[Life], nodes: list[Node], story: str) -> None:
    """Whoever sleeps is woken by a connection; then all are awake, and each address is at its owner's alone."""
    desk = nodes[0]
    for life in lives:
        if life.connected is not None:
            life.connected.close()
    with ThreadPoolExecutor(HOSTS) as pool:
        for life, connected in [(life, pool.submit(desk.connect, life.host.ipv4, 80, 20)) for life in lives]:
            try:
                connected.result()[0].close()
            except OSError as error:
                raise AssertionError(f"{life}: {error!r}, {lan.state(life.host.name)}; {story}") from error
    for life in lives:
        life.host.settle()
        says_hello(life.host)
    for life in lives:
        lan.wait_for_state(life.host.name, "awake")
    time.sleep(0.1)  # what the last restore sends
    wrong = [each for life in lives for each in wrong_entries(nodes, life.host)]
    assert not wrong, f"{wrong}: {story}"
    for life in lives:
        owners = desk.owners(life.host.ipv4, 0.05)
        assert owners == {life.host.mac}, f"{life.host.name} is at {owners}: {story}"
