# SPDX-License-Identifier: GPL-3.0-or-later
"""Of ACTIVITIES processes and connections of 20 ms each: how many each client noticed.

Each client is asked in its own way: the original's design and autosuspend write down what they see, and powernapd is
asked after each activity when its monitor last saw one.
"""

from __future__ import annotations

import contextlib
import random
import re
import socket
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from bench.nap.clients import AUTOSUSPEND, ORIGINAL, OURS, PROGRAM, autosuspend, original, powernapd
from bench.nap.machine import named_sleep, short_connection, short_process
from bench.process import Client
from bench.results import keep
from bench.table import table
from powernap.nap import control

ACTIVITIES = 60
#: Mean time between activities, exponentially distributed: a client at 1 Hz has a fair chance.
GAP_SECONDS = 1.0
SEED = 20090401


class Server(threading.Thread):
    """Accepts connections and reads them to their end."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.start()

    def run(self) -> None:
        while True:
            connection, _address = self.socket.accept()
            with connection, contextlib.suppress(OSError):
                while connection.recv(100):
                    pass


def saw(daemon: Client, monitor: str, since: float) -> bool:
    """Ask powernapd whether a monitor saw something since a time (CLOCK_MONOTONIC)."""
    answer = control.ask(str(daemon.folder / "control.sock"), {"command": "status"}, 20)
    (found,) = [item for item in answer["monitors"] if item["name"] == monitor]
    idle = found["idle_seconds"]
    return not found["error"] and idle is not None and time.monotonic() - idle >= since - 0.001


def play(act: Callable[[], None], daemon: Client, monitor: str) -> tuple[list[tuple[float, float]], int]:
    """Let the activities be; return when each was (CLOCK_MONOTONIC) and how many powernapd saw."""
    chance = random.Random(SEED)
    spans, seen = [], 0
    for _turn in range(ACTIVITIES):
        time.sleep(chance.expovariate(1 / GAP_SECONDS) + 0.1)
        begun = time.monotonic()
        act()
        spans.append((begun, time.monotonic()))
        time.sleep(0.1)
        seen += saw(daemon, monitor, begun)
    return spans, seen


def poller_saw(client: Client, kind: str, spans: list[tuple[float, float]]) -> int:
    """Count the activities during or soon after which the poller wrote the kind down: it looks while one lasts."""
    moments = [float(line.split()[1]) for line in client.log().splitlines() if line.startswith(kind)]
    return sum(any(begun <= moment <= ended + 0.3 for moment in moments) for begun, ended in spans)


def autosuspend_saw(client: Client, check: str, spans: list[tuple[float, float]]) -> int:
    """The same, from the log of autosuspend, whose times are of the wall clock."""
    distance = time.time() - time.monotonic()
    found = re.findall(rf"^([\d.]+) Check {check} matched", client.log(), re.MULTILINE)
    moments = [float(wall) - distance for wall in found]
    return sum(any(begun <= moment <= ended + 0.3 for moment in moments) for begun, ended in spans)


def main() -> None:
    server = Server()
    with tempfile.TemporaryDirectory() as where, contextlib.ExitStack() as stack:
        folder = Path(where)
        program = named_sleep(folder, PROGRAM)
        poller = stack.enter_context(original(folder / "original", server.port))
        other = stack.enter_context(autosuspend(folder / "autosuspend", server.port, verbose=True))
        ours = stack.enter_context(powernapd(folder / "ours", server.port, more=""))
        time.sleep(2)
        processes, ours_processes = play(lambda: short_process(program), ours, "jobs")
        connections, ours_connections = play(lambda: short_connection(server.port), ours, "service")
        sources = control.ask(str(ours.folder / "control.sock"), {"command": "status"}, 20)["monitors"]
        figures = {
            ORIGINAL: {
                "processes": poller_saw(poller, "process", processes),
                "connections": poller_saw(poller, "connection", connections),
            },
            AUTOSUSPEND: {
                "processes": autosuspend_saw(other, "Processes", processes),
                "connections": autosuspend_saw(other, "ActiveConnection", connections),
            },
            OURS: {"processes": ours_processes, "connections": ours_connections},
        }
    used = {item["name"]: item["source"] for item in sources}
    print(table(f"Seen, of {ACTIVITIES} activities of 20 ms each", figures, ORIGINAL))
    print("powernapd by: " + "; ".join(f"{name}: {source}" for name, source in used.items()))
    keep("nap-missed", {"of": ACTIVITIES, "seen": figures, "sources": used})


if __name__ == "__main__":
    main()
