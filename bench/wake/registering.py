# SPDX-License-Identifier: GPL-3.0-or-later
"""How long it takes until HOSTS hosts are registered by one request, and until all have said by POST that they sleep.

Each acknowledgement means that it is on the disk. The clients run on the same machine. By links: bench/link.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench import segment
from bench.process import cost
from bench.results import keep
from bench.until import until
from bench.wake import candidates, herd

HOSTS = 10_000


def run(folder: Path) -> dict[str, Any]:
    members = [herd.member(number, "198.18", 16) for number in range(HOSTS)]
    with candidates.pins(folder) as pin, candidates.powerwaked(folder, "ebpf", pin) as daemon:
        before = cost(daemon.pid)
        begun = time.monotonic()
        keys = asyncio.run(herd.enrol(members, daemon.admin.path))
        enrolled = time.monotonic()
        asyncio.run(herd.fall_asleep(members, keys, segment.SERVER_ADDRESS))
        asleep = time.monotonic()

        def proxied() -> bool:
            return bool(candidates.status(daemon.admin)["wake_states"]["proxied"] == HOSTS)

        until(proxied, "sleep of all", 120, 0.2)
        after = cost(daemon.pid)
        return {
            "hosts": HOSTS,
            "registered s": enrolled - begun,
            "asleep by POST, acknowledged s": asleep - enrolled,
            "all stood in for s": time.monotonic() - asleep,
            "CPU s": after[0] - before[0],
            "RSS MB": after[2],
        }


def main() -> None:
    segment.make()
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as folder:
        kind = subprocess.run(["stat", "-fc", "%T", folder], check=True, capture_output=True, text=True).stdout.strip()
        figures = run(Path(folder))
    print(figures, "on", kind, flush=True)
    keep("wake-registering", {"file system": kind, "figures": figures})


if __name__ == "__main__":
    main()
