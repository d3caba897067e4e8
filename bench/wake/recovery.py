# SPDX-License-Identifier: GPL-3.0-or-later
"""powerwaked is killed and started again while HOSTS sleep: how long nobody answers for them.

Each millisecond somebody asks for one of them, each once; the daemon is killed a second after that began, and started
again at once.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from bench import segment
from bench.results import keep
from bench.wake import candidates
from bench.wake.names import CLASSIC, EBPF, UNPINNED

HOSTS, RATE, SECONDS = 10_000, 1000, 8.0


def run(folder: Path, use: str, pinned: bool) -> dict[str, Any]:
    candidates.with_registry(folder, HOSTS)
    words = ("asker", "answer", RATE, SECONDS, 0, HOSTS, 1000, 300)
    with contextlib.ExitStack() as stack:
        pin = stack.enter_context(candidates.pins(folder)) if pinned else None
        with candidates.powerwaked(folder, use, pin) as first:
            command = [str(candidates.program("asker")), *map(str, words)]
            asker = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            time.sleep(1)
            os.kill(first.pid, signal.SIGKILL)
            with candidates.powerwaked(folder, use, pin) as second:
                said = json.loads(asker.communicate(timeout=SECONDS + 10)[0])
    return {
        "ready s": second.ready_seconds,
        "all taken up s": second.armed_seconds,
        "asked": said["asked"],
        "without answer": said["asked"] - said["heard"],
        "gap s": (said["asked"] - said["heard"]) / RATE,
        "answer p50 µs": said["p50"],
        "answer p99 µs": said["p99"],
        "answer most µs": said["most"],
    }


def main() -> None:
    segment.make("10.0.0.1/8", None)
    candidates.build("asker")
    figures = {}
    for name, use, pinned in ((CLASSIC, "classic", False), (UNPINNED, "ebpf", False), (EBPF, "ebpf", True)):
        with tempfile.TemporaryDirectory() as folder:
            figures[name] = run(Path(folder), use, pinned)
        print(name, figures[name], flush=True)
    keep("wake-recovery", {"hosts": HOSTS, "rate": RATE, "figures": figures})


if __name__ == "__main__":
    main()
