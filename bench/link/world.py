# SPDX-License-Identifier: GPL-3.0-or-later
"""powerwaked that knows many hosts, at one end of the segment, and those hosts at the other: `herd.c`, one process."""

from __future__ import annotations

import contextlib
import json
import resource
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench import segment
from bench.process import Client, cost
from bench.results import folder as results
from bench.wake import candidates, fleet
from powernap.shared.wakeapi import WakeServer

PORT = 20709
SERVER, HERD = "10.0.0.1", "10.0.255.1"
ADDRESSES = 16
#: All hosts come from a few addresses: a real server would see as many as there are hosts. And they say in seconds what
#: real ones say in hours.
LISTEN = "unproven_per_source = 20000\nmessages_per_second = 1000"
#: What the client waits for an answer (server.timeout_seconds).
WORST_SECONDS = 5


def prepare() -> None:
    """In namespaces of its own: the segment, and the programs."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    segment.make(f"{SERVER}/8", f"{HERD}/8")
    for number in range(2, ADDRESSES + 1):
        subprocess.run(["ip", "addr", "add", f"10.0.255.{number}/8", "dev", "asker"], check=True)
    candidates.build("herd", Path(__file__).parent, "-lssl", "-lcrypto")


def registry(folder: Path, hosts: int) -> None:
    """So many hosts, all awake; the key of host-N is the number N + 1."""
    known = results() / f"awake-{hosts}.sqlite"
    if not known.exists():
        fleet.fill(str(known), hosts, 0, "eth0", candidates.NETWORK)
        with contextlib.closing(sqlite3.connect(known)) as database, database:
            database.execute("UPDATE hosts SET key = printf('%064x', number)")
    shutil.copyfile(known, folder / "registry.sqlite")


def powerwaked(folder: Path) -> contextlib.AbstractContextManager[candidates.Daemon]:
    return candidates.powerwaked(folder, "ebpf", listen=LISTEN)


@contextlib.contextmanager
def echo(folder: Path) -> Iterator[Client]:
    """aiohttp with TLS and powerwaked's certificate, which says again what it hears."""
    command = [sys.executable, "-m", "bench.baselines.aiohttp_echo", SERVER, str(PORT), str(folder / "tls/server.pem")]
    with candidates.child(command, folder) as client:
        yield client


class Herd:
    """The hosts. What `ask` returns is described in herd.c."""

    def __init__(self, count: int) -> None:
        command = [str(candidates.program("herd")), SERVER, str(PORT), str(count), str(WORST_SECONDS)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)

    def tell(self, *words: object) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(" ".join(map(str, words)) + "\n")

    def hear(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            sys.exit("bench: the herd has ended")
        heard: dict[str, Any] = json.loads(line)
        return heard

    def ask(self, *words: object) -> dict[str, Any]:
        self.tell(*words)
        return self.hear()

    def measured(self, server: Client, *words: object) -> dict[str, Any]:
        """The figures of a command, with what it cost the server: `CPU s` of it, and of the herd."""
        before = cost(server.pid)
        said = self.ask(*words)
        if said["refused"]:
            sys.exit(f"bench: {said['refused']} messages were refused by {words[0]}")
        ordered = ("answered", "seconds", "p50", "p99", "most", "failures")
        spent = {"CPU s": cost(server.pid)[0] - before[0], "herd's CPU s": said["cpu"]}
        return {name: said[name] for name in ordered} | spent

    def end(self) -> None:
        """At once and without a word, as `kill -9`."""
        self.process.kill()
        self.process.wait()


@contextlib.contextmanager
def herd(count: int) -> Iterator[Herd]:
    opened = Herd(count)
    try:
        yield opened
    finally:
        opened.end()


def condition(admin: WakeServer, name: str) -> str:
    return str(admin.get(f"/api/v1/hosts/{name}")["status"]["state"])
