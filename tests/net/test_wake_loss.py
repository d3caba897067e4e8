# SPDX-License-Identifier: GPL-3.0-or-later
"""On a bad network nobody is left asleep: each connection to a sleeper opens, whatever is lost on the way."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from tests.net.lan import Lan, Sleeper, on_each_path, wait_for

HOSTS, ROUNDS = 15, 2
FRAMES_LOST, MAGIC_LOST = 5, 0.2  # percent; share


@on_each_path
def test_with_a_twentieth_of_frames_and_a_fifth_of_magic_packets_lost_every_connection_opens(lan: Lan) -> None:
    desk = lan.client()
    sleepers = [lan.sleeper(f"host{number}", 20 + number) for number in range(HOSTS)]
    for sleeper in sleepers:
        sleeper.serve(80)
        sleeper.lose_share, sleeper.resume_delay = MAGIC_LOST, 0.3
    lan.lose(FRAMES_LOST)

    def rounds(sleeper: Sleeper) -> list[float]:
        late = []
        for number in range(ROUNDS):
            sleeper.nap()
            _, connected = desk.connect((sleeper.ipv4, sleeper.ipv6)[number % 2], 80, 20)
            late.append(connected - sleeper.ready_at)
            assert sleeper.magic_at
            sleeper.settle()
        return late

    with ThreadPoolExecutor(HOSTS) as pool:
        late = sorted(each for found in pool.map(rounds, sleepers) for each in found)
    print(f"{len(late)} wakes; connected after ready: median {late[len(late) // 2]:.3f} s, worst {late[-1]:.3f} s")
    assert len(late) == HOSTS * ROUNDS
    lan.lose(0)
    for sleeper in sleepers:
        wait_for(lambda sleeper=sleeper: desk.neighbour(sleeper.ipv4) in ("", sleeper.mac))
        desk.knows(sleeper.ipv4)
        assert desk.neighbour(sleeper.ipv4) == sleeper.mac


def test_announcements_that_were_lost_are_made_up_for(lan: Lan) -> None:
    """A neighbour that heard none of the first ones still sends to the sleeper's card, and learns better within 7 s."""
    desk, web1 = lan.client(), lan.sleeper()
    web1.serve(80)
    desk.knows(web1.ipv4)
    desk.knows(web1.ipv6)
    lan.lose(100, desk)
    web1.nap()
    wait_for(lambda: lan.events("web1", "proxied"))
    lan.lose(0, desk)
    assert desk.neighbour(web1.ipv4) == web1.mac
    for address in (web1.ipv4, web1.ipv6):
        wait_for(lambda address=address: desk.neighbour(address) == lan.server.mac)
    desk.connect(web1.ipv6, 80)
    assert web1.magic_at
