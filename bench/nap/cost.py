# SPDX-License-Identifier: GPL-3.0-or-later
"""CPU, wakeups, memory and time to ready: idle, and under a storm of short processes.

The machine has PROCESSES processes and SOCKETS open connections; all clients watch it at the same time, in a storm one
after the other. Seconds of each measurement: environment POWERNAP_BENCH_SECONDS.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from pathlib import Path

from bench.nap.clients import AUTOSUSPEND, ORIGINAL, OURS, autosuspend, clients, module
from bench.nap.machine import PROCESSES, SOCKETS, idle, storm
from bench.process import Client, cost
from bench.results import keep
from bench.table import table

#: Longer than absent_seconds: at rest there is a whole period of powernapd, with its deadline.
SECONDS = float(os.environ.get("POWERNAP_BENCH_SECONDS", "310"))
ABSENT_SECONDS = SECONDS - 10
STORM_SECONDS = SECONDS / 34
STORM = 2000
#: Past the start, and past the first look of powernapd after it.
SETTLE_SECONDS = 5.0
LISTENER = "proc connector"
CPU, WAKEUPS, RSS, READY = "CPU ms per s", "wakeups per s", "RSS MB", "ready after s"


def measure(pids: dict[str, int], seconds: float) -> dict[str, dict[str, float]]:
    """Return what each process costs while that time passes."""
    before = {name: cost(pid) for name, pid in pids.items()}
    begun = time.monotonic()
    time.sleep(seconds)
    took = time.monotonic() - begun
    after = {name: cost(pid) for name, pid in pids.items()}
    return {
        name: {
            CPU: (after[name][0] - before[name][0]) * 1000 / took,
            WAKEUPS: (after[name][1] - before[name][1]) / took,
            RSS: after[name][2],
        }
        for name in pids
    }


def at_rest(folder: Path) -> dict[str, dict[str, float]]:
    with contextlib.ExitStack() as stack:
        running = {
            name: stack.enter_context(start(folder / f"rest-{index}"))
            for index, (name, start) in enumerate(clients(ABSENT_SECONDS).items())
        }
        time.sleep(SETTLE_SECONDS)
        figures = measure({name: client.pid for name, client in running.items()}, SECONDS)
    with autosuspend(folder / "verbose", verbose=True) as verbose:
        ready = verbose.ready_seconds
    for name, client in running.items():
        figures[name][READY] = ready if name == AUTOSUSPEND else client.ready_seconds
    return figures


def in_a_storm(folder: Path) -> dict[str, dict[str, float]]:
    figures: dict[str, dict[str, float]] = {}
    starters = {**clients(ABSENT_SECONDS), LISTENER: listener}
    for index, (name, start) in enumerate(starters.items()):
        with start(folder / f"storm-{index}") as client:
            time.sleep(SETTLE_SECONDS)
            with storm(STORM) as outcome:
                figures[name] = measure({name: client.pid}, STORM_SECONDS)[name]
            figures[name]["processes per s"] = outcome[0]
    return figures


def listener(folder: Path) -> contextlib.AbstractContextManager[Client]:
    """Start what merely listens to the kernel's proc connector."""
    return module("bench.baselines.proc_connector", folder)


def main() -> None:
    with tempfile.TemporaryDirectory() as where, idle():
        folder = Path(where)
        rest, stormy = at_rest(folder), in_a_storm(folder)
    title = f"{PROCESSES} processes, {SOCKETS:,} sockets, {SECONDS:g} s"
    print(table(f"Idle client ({title})", rest, ORIGINAL))
    print(table(f"The same in a storm of {STORM:,} processes per second ({STORM_SECONDS:g} s each)", stormy, ORIGINAL))
    more = {"seconds": SECONDS, "absent seconds": ABSENT_SECONDS, "ours": OURS}
    keep("nap-cost", {"at rest": rest, "in a storm": stormy, **more})


if __name__ == "__main__":
    main()
