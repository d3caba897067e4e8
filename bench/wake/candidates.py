# SPDX-License-Identifier: GPL-3.0-or-later
"""The wake servers that are compared, each a process at the server's end of the segment."""

from __future__ import annotations

import contextlib
import ipaddress
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import segment
from bench.process import Client
from bench.results import folder as results
from bench.until import until
from bench.wake import fleet
from powernap.shared.errors import PowernapError
from powernap.shared.wakeapi import WakeServer

NETWORK = ipaddress.ip_interface("10.0.0.1/8")
#: A registry that was made before is used again so long: leases are of a day.
_KEPT_SECONDS = 6 * 3600.0
#: Limits would keep most of a benchmark's machines asleep.
CONFIG = """
[listen]
admin_socket = "{folder}/admin.sock"
{listen}
[registry]
path = "{folder}/registry.sqlite"
[wake]
wakes_per_source = 0
wakes_per_minute = 0
{more}
[path]
use = "{use}"
pin = "{pin}"
"""


@dataclass
class Daemon(Client):
    """powerwaked. `armed_seconds`: after so long all that sleep were stood in for; from its start."""

    admin: WakeServer
    armed_seconds: float = 0.0


def program(name: str) -> Path:
    return results() / name


def build(name: str, folder: Path = Path(__file__).parent, *libraries: str) -> None:
    """Compile a C program of that folder."""
    source = str(folder / f"{name}.c")
    subprocess.run(["gcc", "-O2", "-Wall", "-pthread", "-o", str(program(name)), source, *libraries], check=True)


@contextlib.contextmanager
def child(command: list[str], folder: Path) -> Iterator[Client]:
    """At the server's end: a program that prints "ready"."""
    begun = time.monotonic()
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(segment.inside(*command), stdin=subprocess.PIPE, stdout=log, stderr=log)
    try:
        until(lambda: "ready" in (folder / "log").read_text(), f"{command[0]} (see {folder}/log)", pause=0.005)
        yield Client(process.pid, time.monotonic() - begun, folder)
    finally:
        process.kill()
        process.wait()


def scapy(folder: Path, hosts: int) -> contextlib.AbstractContextManager[Client]:
    (folder / "hosts").write_text(
        "".join(
            f"{ipaddress.ip_address(fleet.ip_of(number, NETWORK))}={fleet.mac_of(number).hex(':')}\n"
            for number in range(hosts)
        )
    )
    return child([sys.executable, "-m", "bench.baselines.scapy_powerwake", "eth0", f"@{folder}/hosts"], folder)


def floor(folder: Path, hosts: int) -> contextlib.AbstractContextManager[Client]:
    return child([str(program("floor")), "eth0", str(hosts)], folder)


@contextlib.contextmanager
def pins(folder: Path) -> Iterator[Path]:
    """A bpf file system of the benchmark's own."""
    where = folder / "bpf"
    where.mkdir()
    subprocess.run(["mount", "-t", "bpf", "none", str(where)], check=True)
    try:
        yield where / "powerwaked"
    finally:
        subprocess.run(["umount", "--lazy", str(where)], check=True)


@contextlib.contextmanager
def powerwaked(
    folder: Path, use: str, pin: Path | None = None, more: str = "", patience: float = 300, listen: str = ""
) -> Iterator[Daemon]:
    """The daemon with what is in its folder's registry.sqlite; when all its sleepers are taken up.

    `more`, `listen`: further lines of [wake] and [listen].
    """
    config = folder / "powerwaked.toml"
    config.write_text(CONFIG.format(folder=folder, use=use, pin=pin or "", more=more, listen=listen))
    command = [sys.executable, "-m", "powernap", "powerwaked", "--config", str(config)]
    admin = WakeServer(str(folder / "admin.sock"), timeout=60)
    (folder / "admin.sock").unlink(missing_ok=True)
    begun = time.monotonic()
    with (folder / "log").open("a") as log:
        process = subprocess.Popen(segment.inside(*command), stdout=log, stderr=log)
    try:
        until(lambda: status(admin), f"powerwaked's start (see {folder}/log)", pause=0.005)
        daemon = Daemon(process.pid, time.monotonic() - begun, folder, admin)
        until(lambda: status(admin)["packet_path"]["sleepers_taken_up"], "end of the roll call", patience, 0.02)
        daemon.armed_seconds = time.monotonic() - begun
        yield daemon
    finally:
        process.kill()
        process.wait()


def status(admin: WakeServer) -> dict[str, Any]:
    """{} where it does not run."""
    try:
        return admin.get("/api/v1/status")
    except PowernapError:
        return {}


def with_registry(folder: Path, hosts: int, asked: int = 0) -> None:
    """A registry with so many sleeping hosts. The first, `asked`, wake by ARP and are not answered for.

    They count as registered with the run of the daemon that begins now: nobody doubts that they sleep.
    """
    known = results() / f"fleet-{hosts}.sqlite"
    if not known.exists() or time.time() - known.stat().st_mtime > _KEPT_SECONDS:
        known.unlink(missing_ok=True)
        fleet.fill_fast(str(known), hosts, "eth0", NETWORK)
    path = folder / "registry.sqlite"
    shutil.copyfile(known, path)
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        database.execute("PRAGMA synchronous=OFF")
        database.execute(
            "UPDATE hosts SET run = 2, captured = number > ?1, wake_on = iif(number > ?1, 'demand', 'arp')", (asked,)
        )
