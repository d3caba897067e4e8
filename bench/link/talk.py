# SPDX-License-Identifier: GPL-3.0-or-later
"""1,000 and 10,000 hosts are linked: they come, say their state, hear orders, come back after a restart, go to sleep.

Beside it, in the same run, the same message by POST, and a server of aiohttp that only echoes.
"""

from __future__ import annotations

import os
import signal
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.link import world
from bench.link.names import ECHO, ECHO_POST, ECHO_POSTS, LINK, POST, POSTS
from bench.process import cost
from bench.results import keep
from bench.until import until

SIZES = (1000, 10_000)
SECONDS, AT_ONCE, CONNECTIONS, ORDERS = 6, 64, 64, 200
_HANDSHAKES = 64
_BACK_SECONDS = 120


def many(folder: Path, hosts: int) -> dict[str, Any]:
    world.registry(folder, hosts)
    figures: dict[str, Any] = {}
    with world.powerwaked(folder) as daemon, world.herd(hosts) as herd:
        empty = cost(daemon.pid)[2]
        figures["linked"] = herd.measured(daemon, "connect", hosts, _HANDSHAKES)
        time.sleep(1)
        full = cost(daemon.pid)[2]
        figures["memory"] = {"RSS MB, nobody": empty, "RSS MB": full, "kB a link": (full - empty) * 1e3 / hosts}
        figures["messages"] = {
            LINK: herd.measured(daemon, "state", SECONDS, AT_ONCE),
            POST: herd.measured(daemon, "post", SECONDS, CONNECTIONS, 1),
            POSTS: herd.measured(daemon, "post", SECONDS, CONNECTIONS, 0),
        }
        figures["orders"] = orders(daemon, herd, hosts)
        figures["RSS MB after all that"] = cost(daemon.pid)[2]
        figures["back"] = {
            "restarted": back(folder, daemon.pid, signal.SIGTERM, herd, hosts),
        }
    return figures


def asleep(folder: Path, hosts: int) -> dict[str, Any]:
    """All say at once that they sleep; each is acknowledged when that is on disk."""
    world.registry(folder, hosts)
    with world.powerwaked(folder) as daemon, world.herd(hosts) as herd:
        herd.ask("connect", hosts, _HANDSHAKES)
        time.sleep(1)
        figures = herd.measured(daemon, "asleep", hosts, hosts)
        figures["RSS MB"] = cost(daemon.pid)[2]
        return figures


def orders(daemon: Any, herd: world.Herd, hosts: int) -> dict[str, Any]:
    """One after the other: until the host has it (ms), and until the server has heard that it was done."""
    herd.ask("tell")
    begun, took = [], []
    for number in range(ORDERS):
        begun.append(time.monotonic())
        told = order(daemon.admin, hosts=[f"host-{number * 7 % hosts}"])
        took.append((told["ended"] - told["at"]) * 1e3)
    heard = sorted((at - from_) * 1e3 for at, from_ in zip(herd.ask("tell")["ordered"], begun, strict=True))
    all_of_them = {"match": "host-*", "per_minute": 1_000_000, "at_once": 1000}
    began = time.monotonic()
    results = order(daemon.admin, **all_of_them)
    at = herd.ask("tell")["ordered"]
    return {
        "p50": _share(heard, 0.5),
        "p99": _share(heard, 0.99),
        "done p50": _share(sorted(took), 0.5),
        "done p99": _share(sorted(took), 0.99),
        "to all, last has it s": max(at) - began,
        "to all, done": results["counts"].get("done", 0),
        "to all, done s": results["ended"] - results["at"],
    }


def _share(ordered: list[float], share: float) -> float:
    return ordered[max(0, int(len(ordered) * share) - 1)]


def order(admin: Any, **whom: Any) -> dict[str, Any]:
    """Inhibit naps for a minute; returns when all have answered."""
    body = {"verb": "inhibit", "arguments": {"seconds": 60, "reason": "bench"}}
    given = admin.post("/api/v1/orders", {**body, **whom})
    told = given

    def ended() -> bool:
        nonlocal told
        told = admin.get(f"/api/v1/orders/{given['id']}")
        return told["ended"] is not None

    until(ended, "end of an order", 60, 0.002 if "hosts" in whom else 0.5)
    return dict(told)


def back(folder: Path, pid: int, how: signal.Signals, herd: world.Herd, hosts: int) -> dict[str, Any]:
    """The server is stopped and started again: until all are linked again, by the client's own rule of waiting."""
    herd.tell("back", _BACK_SECONDS)
    time.sleep(0.2)
    stopped = time.monotonic()
    os.kill(pid, how)
    until(lambda: _is_over(pid), "end of powerwaked", pause=0.01)
    ended = time.monotonic()
    with world.powerwaked(folder) as second:
        ready = ended + second.ready_seconds
        heard = herd.hear()
        used, _switches, resident = cost(second.pid)
    return {
        "hosts": hosts,
        "back": heard["answered"],
        "ended s": ended - stopped,
        "down s": ready - stopped,
        "from the stop s": heard["ended"] - stopped,
        "from ready s": heard["ended"] - ready,
        "tries": heard["tries"],
        "failures": heard["failures"],
        "failed in": heard["failed in"],
        "CPU s": used,
        "herd's CPU s": heard["cpu"],
        "RSS MB": resident,
    }


def _is_over(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


def echoes(folder: Path, hosts: int) -> dict[str, Any]:
    """aiohttp with the certificate of the powerwaked that was there before."""
    with world.echo(folder) as server, world.herd(hosts) as herd:
        empty = cost(server.pid)[2]
        linked = herd.measured(server, "connect", hosts, _HANDSHAKES)
        resident = cost(server.pid)[2]
        return {
            "linked": linked,
            "kB a link": (resident - empty) * 1e3 / hosts,
            "messages": {
                ECHO: herd.measured(server, "state", SECONDS, AT_ONCE),
                ECHO_POST: herd.measured(server, "post", SECONDS, CONNECTIONS, 1),
                ECHO_POSTS: herd.measured(server, "post", SECONDS, CONNECTIONS, 0),
            },
        }


def main() -> None:
    world.prepare()
    figures: dict[str, Any] = {}
    for hosts in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            here = figures[str(hosts)] = many(Path(folder), hosts)
            with tempfile.TemporaryDirectory() as another:
                here["asleep"] = asleep(Path(another), hosts)
            if hosts == SIZES[0]:
                here["echo"] = echoes(Path(folder), hosts)
        print(hosts, here, flush=True)
    keep("link-talk", {"seconds": SECONDS, "at once": AT_ONCE, "figures": figures})


if __name__ == "__main__":
    main()
