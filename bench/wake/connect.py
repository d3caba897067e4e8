# SPDX-License-Identifier: GPL-3.0-or-later
"""How long after a machine is ready its client is connected: with the connection held and replayed, and without.

Real kernels on both sides; each machine is asked for while it sleeps, and takes DELAYS seconds to resume.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from tests.net.lan import Sleeper

from bench.results import keep
from bench.segment import own_namespaces
from bench.wake.names import HELD, LEFT
from bench.wake.world import segment_with

DELAYS, RUNS, PORT, PATIENCE = (2.5, 5.5, 8.0, 13.0), 3, 80, 60.0


def run(hold: bool) -> dict[str, list[float]]:
    """Seconds from ready to connected, for each delay."""
    with segment_with(hold_frames=str(hold).lower()) as lan:
        lan.server.start()
        desk = lan.client()
        sleepers = []
        for number in range(len(DELAYS) * RUNS):
            sleeper = lan.sleeper(f"host{number}", 20 + number)
            sleeper.serve(PORT)
            sleeper.nap()
            sleeper.resume_delay = DELAYS[number % len(DELAYS)]
            sleepers.append(sleeper)

        def late(sleeper: Sleeper) -> float:
            _, connected = desk.connect(sleeper.ipv4, PORT, PATIENCE)
            return float(connected - sleeper.ready_at)

        with ThreadPoolExecutor(len(sleepers)) as pool:
            found = list(pool.map(late, sleepers))
    return {str(delay): sorted(found[place :: len(DELAYS)]) for place, delay in enumerate(DELAYS)}


def main() -> None:
    own_namespaces()
    with ThreadPoolExecutor(2) as pool:
        left, held = pool.map(run, (False, True))
    figures = {LEFT: left, HELD: held}
    for name, rows in figures.items():
        print(name, {delay: [round(each, 3) for each in values] for delay, values in rows.items()}, flush=True)
    keep("wake-connect", {"runs": RUNS, "figures": figures})


if __name__ == "__main__":
    main()
