# SPDX-License-Identifier: GPL-3.0-or-later
"""How many connections succeed where a twentieth of all frames and a fifth of the magic packets are lost.

Real kernels, HOSTS machines that sleep and are asked for ROUNDS times; then wakes played with the state machine alone,
by thousands.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from tests.net.lan import Lan, Node, Sleeper
from tests.python.wake.test_loss import SYNS, Story, Wire, stories

from bench.results import keep
from bench.segment import own_namespaces
from bench.wake.names import EBPF, ONCE, SCAPY
from bench.wake.world import Original, segment_with, unregistered
from powernap.wake.model import Policy

HOSTS, ROUNDS, DELAY, PATIENCE = 12, 4, 2.5, 20.0
FRAMES_LOST, MAGIC_LOST = 5, 0.2  # percent; share
PLAYED, PLAYED_DELAYS = 1300, (0.5, 2.5, 5.5, 13.0)
#: When the client sends: as Linux does, and only once.
ASKS = {"as TCP does": SYNS, "once, nothing else lost": SYNS[:1]}


def wakes(lan: Lan, desk: Node, sleepers: list[Sleeper], nap: Callable[[Sleeper], None]) -> dict[str, float | None]:
    for sleeper in sleepers:
        sleeper.serve(80)
        sleeper.lose_share, sleeper.resume_delay = MAGIC_LOST, DELAY
    lan.lose(FRAMES_LOST)

    woken = []

    def rounds(sleeper: Sleeper) -> list[float | None]:
        late: list[float | None] = []
        for _round in range(ROUNDS):
            nap(sleeper)
            desk.run("ip", "neigh", "del", sleeper.ipv4, "dev", "eth0", check=False)
            try:
                _, connected = desk.connect(sleeper.ipv4, 80, PATIENCE)
            except OSError:
                late.append(None)
                time.sleep(DELAY)
            else:
                late.append(connected - sleeper.ready_at)
            if sleeper.magic_at:
                woken.append(sleeper.name)
            sleeper.wake()
            sleeper.settle()
        return late

    with ThreadPoolExecutor(len(sleepers)) as pool:
        found = [each for late in pool.map(rounds, sleepers) for each in late]
    late = [each for each in found if each is not None]
    return {
        "wanted": len(found),
        "woken": len(woken),
        "connected": len(late),
        "late s, median": statistics.median(late) if late else None,
        "late s, most": max(late, default=None),
    }


def ours() -> dict[str, float | None]:
    with segment_with(wakes_per_minute="0", wakes_per_source="0") as lan:
        lan.server.start()
        sleepers = [lan.sleeper(f"host{number}", 20 + number) for number in range(HOSTS)]
        return wakes(lan, lan.client(), sleepers, Sleeper.nap)


def original() -> dict[str, float | None]:
    with segment_with("classic") as lan:
        sleepers = [unregistered(lan, f"host{number}", 20 + number) for number in range(HOSTS)]
        desk = lan.client()
        server = Original(lan, [(sleeper.ipv4, sleeper.mac) for sleeper in sleepers])
        try:
            return wakes(lan, desk, sleepers, Sleeper.sleep)
        finally:
            server.end()


def played(policy: Policy, syns: tuple[int, ...]) -> dict[str, float]:
    """`missed`: the machine was never woken."""
    # What is asked once is lost where that one frame is: nobody can make up for it.
    frames_lost = FRAMES_LOST / 100 if len(syns) > 1 else 0.0
    told: list[Story] = []
    for delay in PLAYED_DELAYS:
        told += stories(PLAYED, Wire(frames_lost, MAGIC_LOST, MAGIC_LOST), delay, policy, syns)
    missed = sum(story.ready is None for story in told)
    return {"wanted": len(told), "missed": missed, "connected": sum(story.connected is not None for story in told)}


def main() -> None:
    own_namespaces()
    with ThreadPoolExecutor(2) as pool:
        waiting = {SCAPY: pool.submit(original), EBPF: pool.submit(ours)}
        real = {name: each.result() for name, each in waiting.items()}
    print(real, flush=True)
    plays = {
        name: {who: played(policy, syns) for who, syns in ASKS.items()}
        for name, policy in ((ONCE, Policy(volleys=1)), (EBPF, Policy()))
    }
    print(plays, flush=True)
    keep("wake-loss", {"resume s": DELAY, "real": real, "played": plays})


if __name__ == "__main__":
    main()
