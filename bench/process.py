# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that are measured: started, ended, and what they cost."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.until import until


@dataclass
class Client:
    """A program that is measured: its process, how long it took until it was ready (seconds), and what it logs."""

    pid: int
    ready_seconds: float
    folder: Path

    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")


@contextlib.contextmanager
def started(command: list[str], folder: Path, ready: Callable[[], bool], **more: Any) -> Iterator[Client]:
    """Until it is ready, and at the end killed. What it says goes to the file "log" of its folder."""
    folder.mkdir(exist_ok=True)
    with (folder / "log").open("w") as log:
        begun = time.monotonic()
        process = subprocess.Popen(command, stdout=log, stderr=log, **more)
    try:
        until(ready, f"{command} (see {folder}/log)", pause=0.005)
        yield Client(process.pid, time.monotonic() - begun, folder)
    finally:
        process.kill()
        process.wait()


def cost(pid: int) -> tuple[float, int, float]:
    """Return CPU seconds, voluntary context switches and resident megabytes of all threads of a process.

    CPU is the time that the scheduler gave (schedstat), wakeups are voluntary context switches (status); proc(5).
    """
    cpu, switches = 0.0, 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        cpu += int((task / "schedstat").read_text().split()[0]) / 1e9
        switches += int((task / "status").read_text().partition("voluntary_ctxt_switches:")[2].split()[0])
    resident = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    return cpu, switches, resident
