# SPDX-License-Identifier: GPL-3.0-or-later
"""From a question on the wire to the magic packet: how fast, how much is lost, and what it costs.

N hosts sleep. 2,000 questions per second, of which none or each hundredth names a sleeper, each sleeper once; then the
same as fast as they can be sent. CPU is that of the process, and what sending a frame takes more of the sender's CPU
than on a segment without any server, just before and after: over a veth pair the receiving kernel's work is done by the
sender.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bench import segment
from bench.process import Client, cost
from bench.results import keep
from bench.wake import candidates
from bench.wake.candidates import Daemon
from bench.wake.names import CLASSIC, EBPF, SCAPY, C, cpu

SIZES = (1_000, 100_000, 1_000_000)
RATE, SECONDS, FLOOD_SECONDS = 2000, 5.0, 2.0
#: A frame of chatter costs less than single rounds differ by: of some short ones the one in the middle.
CHATTER_ROUNDS, CHATTER_SECONDS, ALONE_ROUNDS = 8, 1.0, 4
PERMILLE = 10
#: A daemon has settled when it took no more CPU than this for so long: work that a start brings is done once, and is
#: counted by itself. Classic BPF's filter is made when addresses have been the same for half a second.
SETTLE_SECONDS, SETTLED_CPU, SETTLED_IN = 1.5, 0.005, 120.0
#: Python's dictionary of a million addresses is not what the original's design is compared for; a plain filter is the
#: same for any number.
LARGEST = {SCAPY: 100_000, CLASSIC: 100_000}


def ask(kind: str, rate: float, seconds: float, first: int, hosts: int, permille: int) -> dict[str, float]:
    """What asker.c says."""
    words = (kind, rate, seconds, first, hosts, permille, 300)
    command = [str(candidates.program("asker")), "asker", *map(str, words)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    answer: dict[str, float] = json.loads(done.stdout)
    return answer


def spent(client: Client | None) -> float:
    return 0.0 if client is None else cost(client.pid)[0]


def round_of(
    client: Client | None, rate: float, seconds: float, first: int, hosts: int, permille: int
) -> dict[str, Any]:
    """CPU in ms for 10,000 frames."""
    before = spent(client)
    said = ask("arp", rate, seconds, first, hosts, permille)
    figures: dict[str, Any] = {
        "process CPU": (spent(client) - before) * 1e7 / said["sent"],
        "sender CPU": said["cpu"] * 1e7 / said["sent"],
        "frames/s": said["sent"] / said["seconds"],
    }
    if permille:
        figures |= {name: said[name] for name in ("asked", "p50", "p99", "most")}
        figures["lost"] = said["asked"] - said["heard"]
    return figures


def measure(client: Client | None, hosts: int) -> dict[str, Any]:
    """`hosts`: so many wake by ARP."""
    after_mix = min(hosts // 2, int(RATE * SECONDS * PERMILLE / 1000 * 1.5))
    slowly = {
        "chatter": round_of(client, RATE, SECONDS, 0, hosts, 0),
        "mix": round_of(client, RATE, SECONDS, 0, hosts, PERMILLE),
    }
    return slowly | at_full_speed(client, after_mix, hosts)


def at_full_speed(client: Client | None, first: int, hosts: int) -> dict[str, Any]:
    chatter = [round_of(client, 0, CHATTER_SECONDS, 0, hosts, 0) for _turn in range(CHATTER_ROUNDS)]
    return {
        "chatter at full speed": sorted(chatter, key=lambda round: round["sender CPU"])[CHATTER_ROUNDS // 2],
        "mix at full speed": round_of(client, 0, FLOOD_SECONDS, first, hosts, PERMILLE),
    }


def settle(client: Client) -> float:
    """Wait for it, and return what CPU it has taken since it began, in seconds."""
    end = time.monotonic() + SETTLED_IN
    while time.monotonic() < end:
        before = spent(client)
        time.sleep(SETTLE_SECONDS)
        if spent(client) - before <= SETTLED_CPU:
            return spent(client)
    sys.exit(f"bench: it takes CPU {SETTLED_IN:g} s after its start still")


def alone(hosts: int) -> list[float]:
    """What frames cost the sender where no server runs."""
    return [round_of(None, 0, CHATTER_SECONDS, 0, hosts, 0)["sender CPU"] for _turn in range(ALONE_ROUNDS)]


@contextlib.contextmanager
def ours(folder: Path, use: str, hosts: int) -> Iterator[Daemon]:
    candidates.with_registry(folder, hosts, hosts // 2)
    if use == "classic":
        with candidates.powerwaked(folder, use) as daemon:
            yield daemon
    else:
        with candidates.pins(folder) as pin, candidates.powerwaked(folder, use, pin) as daemon:
            yield daemon


STARTERS: dict[str, Callable[[Path, int], contextlib.AbstractContextManager[Client]]] = {
    SCAPY: candidates.scapy,
    C: candidates.floor,
    CLASSIC: lambda folder, hosts: ours(folder, "classic", hosts),
    EBPF: lambda folder, hosts: ours(folder, "ebpf", hosts),
}


def candidate(name: str, hosts: int) -> dict[str, Any]:
    nobody = alone(hosts)
    with tempfile.TemporaryDirectory() as folder, STARTERS[name](Path(folder), hosts) as client:
        figures: dict[str, Any] = {"ready after s": client.ready_seconds, "RSS MB": cost(client.pid)[2]}
        if isinstance(client, Daemon):
            figures["armed after s"] = client.armed_seconds
            figures["CPU s of the start"] = settle(client)
        figures |= measure(client, hosts // 2)
        figures["RSS MB at the end"] = cost(client.pid)[2]
        if name == EBPF:
            said = ask("answer", RATE, 3, hosts // 2, hosts, 100)
            figures["answer"] = {name: said[name] for name in ("asked", "heard", "p50", "p99", "most")}
    figures["sender CPU alone"] = sorted(nobody + alone(hosts))[ALONE_ROUNDS]
    return figures


def main() -> None:
    segment.make("10.0.0.1/8", None)
    for name in ("asker", "floor"):
        candidates.build(name)
    figures: dict[str, Any] = {}
    for hosts in SIZES:
        for name in STARTERS:
            if hosts > LARGEST.get(name, hosts):
                continue
            figures.setdefault(name, {})[str(hosts)] = found = candidate(name, hosts)
            print(f"{hosts:>9,} asleep, {name}: {_short(found)}", flush=True)
    keep("wake-path", {"rate": RATE, "permille": PERMILLE, "figures": figures})


def _short(found: dict[str, Any]) -> str:
    mix, flood = found["mix"], found["mix at full speed"]
    said = (
        f"p50 {mix['p50']:.0f} p99 {mix['p99']:.0f} µs; at {flood['frames/s']:,.0f} frames/s p99 {flood['p99']:.0f} µs"
    )
    said += f", lost {mix['lost']:.0f} and {flood['lost']:.0f} of {flood['asked']:.0f}; CPU ms per 10,000"
    for what in ("chatter", "mix", "chatter at full speed", "mix at full speed"):
        said += f", {what} {cpu(found, what):.2f} ({found[what]['process CPU']:.2f} process)"
    if "answer" in found:
        said += f"; answer p50 {found['answer']['p50']:.1f} p99 {found['answer']['p99']:.1f} µs"
    armed = f", armed {found['armed after s']:.1f} s" if "armed after s" in found else ""
    return f"{said}; {found['RSS MB']:.1f} MB; ready {found['ready after s']:.2f} s{armed}"


if __name__ == "__main__":
    main()
