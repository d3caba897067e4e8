# SPDX-License-Identifier: GPL-3.0-or-later
"""A hundred sleeps and wakes that cross each other: afterwards each host is where it is believed to be."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from tests.net.lan import Lan, Node, Sleeper, on_each_path, wait_for
from tests.net.sleeper import wrong_entries

from powernap.shared.errors import PowernapError

HOSTS, ROUNDS = 25, 4
BACK = ("restoring", "awake")
AFTER = 1.0  # seconds after the restore has begun, in which everybody has to have learnt


class Race:
    """A host goes to sleep while somebody knocks, orders, or it changes its mind: each at any moment."""

    def __init__(self, lan: Lan, host: Sleeper, desk: Node, seed: int) -> None:
        self.lan, self.host, self.desk, self.dice = lan, host, desk, random.Random(seed)
        self.story = ""

    def run(self) -> None:
        host, dice = self.host, self.dice
        host.resume_delay = dice.choice((0.0, 0.1, 0.5))
        host.says_hello = dice.random() < 0.7
        host.lose = dice.choice((0, 0, 1, 4))
        waker: Callable[[], None] = dice.choice((self.knock, self.knock, self.order, host.wake, self.stay_up))
        falls_asleep, wakes = dice.random() * 0.3, dice.choice((0.0, 0.1, 0.3, 0.6, 1.0)) * dice.random()
        self.story = f"{waker.__name__} after {wakes:.3f} s, asleep after {falls_asleep:.3f} s, lost {host.lose}, "
        self.story += f"resumes in {host.resume_delay} s, {'says' if host.says_hello else 'never says'} hello"
        status, content = host.say("asleep", host.registration("80"))
        assert status == 200, content
        if waker == self.stay_up:
            time.sleep(wakes)
            self.stay_up()
        else:
            with ThreadPoolExecutor(1) as pool:
                woken = pool.submit(lambda: (time.sleep(wakes), waker()))
                time.sleep(falls_asleep)
                host.sleep()
                woken.result()
            if host.asleep:
                self.knock()  # what wanted it had come before it slept
            host.settle()
            if not host.says_hello:
                host.announces_itself()

    def knock(self) -> None:
        address = self.dice.choice((self.host.ipv4, self.host.ipv6))
        self.desk.connect(address, 80, 20)[0].close()

    def order(self) -> None:
        self.lan.server.admin.post("/api/v1/wake", {"target": self.host.name, "timeout_seconds": 15}, timeout=20)

    def stay_up(self) -> None:
        self.host.say("awake", {"cause": "cancelled", "slept_seconds": 0.0})


def last_events(lan: Lan, host: Sleeper) -> str:
    """What the wake server did with it, and how long before now, for whoever looks into a failure."""
    now = time.time()
    found = [each for each in lan.server.admin.get("/api/v1/events")["events"] if each["host"] == host.name]
    return ", ".join(f"{now - each['time']:.3f} s ago {each['event']} {each['detail']}" for each in found[-30:])


@on_each_path
def test_after_a_hundred_races_no_neighbour_is_wrong_and_every_host_is_reached(lan: Lan, path: str) -> None:
    desk, bystander = lan.client("desk", 9), lan.client("bystander", 10)
    hosts = [lan.sleeper(f"host{number}", 20 + number) for number in range(HOSTS)]
    nodes = [desk, bystander, lan.server]

    def races(number: int) -> list[str]:
        host, found = hosts[number], []
        host.serve(80)
        for address in (host.ipv4, host.ipv6):
            bystander.knows(address)
        for seed in range(ROUNDS):
            race = Race(lan, host, desk, number * ROUNDS + seed + (1000 if path == "ebpf" else 0))
            try:
                race.run()
                wait_for(lambda: lan.state(host.name) in BACK)
                time.sleep(AFTER)
                found += [f"{race.story}: {wrong}" for wrong in wrong_entries(nodes, host)]
                for address in (host.ipv4, host.ipv6):
                    owners = desk.owners(address, 0.2)
                    found += [] if owners == {host.mac} else [f"{race.story}: {address} is at {owners}"]
                    desk.connect(address, 80, 3)[0].close()
            except (OSError, AssertionError, PowernapError) as error:
                return [*found, f"{host.name}, {lan.state(host.name)}: {race.story}: {error!r}"]
        return [f"{each}; {last_events(lan, hosts[number])}" for each in found]

    begun = time.monotonic()
    with ThreadPoolExecutor(HOSTS) as pool:
        wrong = [each for found in pool.map(races, range(HOSTS)) for each in found]
    print(f"{HOSTS * ROUNDS} races in {time.monotonic() - begun:.0f} s, {len(wrong)} wrong")
    assert not wrong, "\n".join(wrong)
