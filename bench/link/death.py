# SPDX-License-Identifier: GPL-3.0-or-later
"""A host dies: how long until the wake server calls it unreachable.

Killed: its process ends, as by kill -9 or a crash of powernapd, and its kernel says so; the machine answers nobody, as
the benchmark's hosts have no kernel of their own. Silent: nothing that it sends arrives any more, as without power.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from pathlib import Path

from bench.link import world
from bench.results import keep
from bench.until import until

HOSTS, TIMES = 20, 5
_SILENT_SECONDS = 180
_NAME = "host-0"
_FILTER = """
table inet bench {{
    chain input {{ type filter hook input priority 0; ip saddr {server} tcp sport {port} drop; }}
    chain output {{ type filter hook output priority 0; ip daddr {server} tcp dport {port} drop; }}
}}
"""


def killed(daemon) -> float:
    with world.herd(1) as herd:
        herd.ask("connect", 1, 1)
        until(lambda: world.condition(daemon.admin, _NAME) == "awake", "word of the host")
        herd.end()
        return _unreachable_after(daemon, 30)


def silent(daemon) -> float:
    with world.herd(1) as herd:
        herd.ask("connect", 1, 1)
        until(lambda: world.condition(daemon.admin, _NAME) == "awake", "word of the host")
        rules = _FILTER.format(server=world.SERVER, port=world.PORT)
        subprocess.run(["nft", "-f", "-"], input=rules, text=True, check=True)
        return _unreachable_after(daemon, _SILENT_SECONDS)


def _unreachable_after(daemon, seconds: float) -> float:
    began = time.monotonic()
    until(lambda: world.condition(daemon.admin, _NAME) == "unreachable", f"unreachable {_NAME}", seconds, 0.02)
    return time.monotonic() - began


def main() -> None:
    world.prepare()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        world.registry(folder, HOSTS)
        with world.powerwaked(folder) as daemon:
            figures = {"killed s": sorted(killed(daemon) for _time in range(TIMES)), "silent s": silent(daemon)}
    print(figures, flush=True)
    keep("link-death", {"figures": figures})


if __name__ == "__main__":
    main()
