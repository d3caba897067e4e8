# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine that the clients watch: idle processes, idle connections, and a storm of short processes on demand."""

from __future__ import annotations

import contextlib
import os
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

PROCESSES = 370
SOCKETS = 2000
#: Watched by the clients; the idle sockets are elsewhere, as the others take an open connection for activity.
PORT = 8443
IDLE_PORT = 9443


@contextlib.contextmanager
def idle(processes: int = PROCESSES, sockets: int = SOCKETS) -> Iterator[None]:
    """Keep that many processes, and established TCP sockets (both ends count), none of which does anything."""
    missing = max(0, processes - sum(entry.name.isdigit() for entry in os.scandir("/proc")))
    sleeping = [subprocess.Popen(["sleep", "infinity"]) for _ in range(missing)]
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65536), hard))
    with socket.create_server(("127.0.0.1", IDLE_PORT), backlog=1024) as server, contextlib.ExitStack() as stack:
        for _pair in range(sockets // 2):
            stack.enter_context(socket.create_connection(("127.0.0.1", IDLE_PORT)))
            stack.enter_context(server.accept()[0])
        try:
            yield
        finally:
            for process in sleeping:
                process.kill()
                process.wait()


@contextlib.contextmanager
def storm(per_second: int) -> Iterator[list[float]]:
    """Start short processes; the list holds, at the end, how many there were a second, and their CPU seconds."""
    process = subprocess.Popen([sys.executable, "-m", "bench.nap.storm", str(per_second)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    outcome: list[float] = []
    try:
        yield outcome
    finally:
        process.terminate()
        outcome += [float(word) for word in process.stdout.read().split()]
        process.wait()


def short_process(name: str, seconds: float = 0.02) -> None:
    """Run a process of that name for so long, and wait for its end."""
    subprocess.run([name, f"{seconds}"], check=True)


def named_sleep(folder: Path, name: str) -> str:
    """Return a program of that name that sleeps for as long as its argument says."""
    path = folder / name
    path.symlink_to("/bin/sleep")
    return str(path)


def short_connection(port: int, seconds: float = 0.02) -> None:
    """Open a connection to a server of this process, send a line, and close it."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"hello\n")
        time.sleep(seconds)
