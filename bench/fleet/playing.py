# SPDX-License-Identifier: GPL-3.0-or-later
"""Run ansible-playbook and tell what that cost the controller."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

from bench.fleet.names import FORKS

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
_MOST_SECONDS = 3600.0


class Failed(Exception):
    """A play that did not end as it must; the text is the end of what it printed."""


def _family(pid: int) -> list[int]:
    """A process and all that descend from it."""
    found, todo = [], [pid]
    while todo:
        one = todo.pop()
        found.append(one)
        try:
            todo += map(int, Path(f"/proc/{one}/task/{one}/children").read_text().split())
        except OSError:
            continue
    return found


def _shared_out(pid: int) -> int:
    """PSS in kB: pages that forks share count once."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    return 0


class _Watch(threading.Thread):
    """The peak of PSS of a process with its forks, looked at every other second, and how many there were then."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid, self.over = pid, threading.Event()
        self.peak = self.processes = 0

    def run(self) -> None:
        while not self.over.wait(2):
            total, members = 0, _family(self._pid)
            for member in members:
                try:
                    total += _shared_out(member)
                except OSError:
                    continue
            if total > self.peak:
                self.peak, self.processes = total, len(members)


def play(playbook: str, inventory: Path, folder: Path, *limit: str, **variables: Any) -> dict[str, Any]:
    """Run it with FORKS forks. Returns seconds, CPU seconds of the controller, memory in MB, and each task's seconds.

    Raises Failed.
    """
    folder.mkdir(exist_ok=True)
    tasks, log = folder / "tasks.json", folder / "log"
    environment = os.environ | {
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections"),
        "ANSIBLE_CONNECTION_PLUGINS": str(HERE / "connection"),
        "ANSIBLE_CALLBACK_PLUGINS": str(HERE / "callback"),
        "ANSIBLE_CALLBACKS_ENABLED": "tasks",
        "ANSIBLE_FORKS": str(FORKS),
        "ANSIBLE_PIPELINING": "true",
        "ANSIBLE_NOCOLOR": "1",
        "POWERNAP_BENCH_TASKS": str(tasks),
    }
    command = ["ansible-playbook", "-i", str(inventory), playbook, *limit, "-e", json.dumps(variables)]
    begun = time.monotonic()
    with log.open("w") as file:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=file, stderr=file)
        watch = _Watch(process.pid)
        watch.start()
        killer = threading.Timer(_MOST_SECONDS, process.kill)
        killer.start()
        _pid, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.monotonic() - begun
    killer.cancel()
    watch.over.set()
    watch.join()
    text = log.read_text()
    if process.returncode:
        raise Failed(f"{' '.join(command)}: exit status {process.returncode}\n{text[-4000:]}")
    recap = text.rpartition("PLAY RECAP")[2]
    return {
        "seconds": round(seconds, 1),
        "CPU s": round(usage.ru_utime + usage.ru_stime, 1),
        "peak RSS of one process MB": round(usage.ru_maxrss / 1024),
        "peak PSS of all MB": round(watch.peak / 1024),
        "processes at the peak": watch.processes,
        "changed": sum(int(part.split("=")[1]) for part in recap.split() if part.startswith("changed=")),
        "tasks": [task for task in json.loads(tasks.read_text()) if task["results"]],  # not each host's flush_handlers
    }
