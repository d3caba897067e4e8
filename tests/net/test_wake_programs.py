# SPDX-License-Identifier: GPL-3.0-or-later
"""What people use to reach a host wakes it, and works at the first try: curl, nc, ssh and psql, near and far."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.net.lan import Lan, Node, Sleeper, on_each_path
from tests.net.services import Postgres, Ssh

WAYS = (("on-link", "ipv4"), ("on-link", "ipv6"), ("routed", "ipv4"), ("routed", "ipv6"))
HTTP = b"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nup\n"
DELAY = 1.4  # the client's own second SYN leaves at 1 s, its third at 2 s


@pytest.fixture
def daemons() -> Iterator[list[subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []
    yield started
    for each in started:
        each.terminate()
    for each in started:
        each.wait(10)


def host_of(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def all_reach_it(lan: Lan, port: int, serve: Callable[[Sleeper], object], command: Callable[[str], list[str]]) -> None:
    clients: dict[str, Node] = {"routed": lan.routed_client(), "on-link": lan.client()}
    sleepers = [lan.sleeper(f"host{number}", 20 + number) for number in range(len(WAYS))]
    for sleeper in sleepers:
        serve(sleeper)

    def reach(way: str, family: str, sleeper: Sleeper) -> str:
        sleeper.nap(tcp=str(port))
        sleeper.resume_delay = DELAY
        said = clients[way].run(*command(getattr(sleeper, family))).stdout
        late = time.monotonic() - sleeper.ready_at
        print(f"{command('')[0]} {way:7} {family}: done {late:.3f} s after the host was ready")
        assert sleeper.magic_at and late < 5
        return said

    with ThreadPoolExecutor(len(WAYS)) as pool:
        answers = [pool.submit(reach, *way, sleeper) for way, sleeper in zip(WAYS, sleepers, strict=True)]
        assert [each.result().strip() for each in answers] == ["up"] * len(WAYS)


@on_each_path
def test_curl(lan: Lan) -> None:
    all_reach_it(
        lan,
        80,
        lambda host: host.serve(80, HTTP),
        lambda address: ["curl", "-sS", "--max-time", "10", f"http://{host_of(address)}/"],
    )


@on_each_path
def test_nc(lan: Lan) -> None:
    all_reach_it(lan, 7, lambda host: host.serve(7), lambda address: ["nc", "-w5", address, "7"])


@on_each_path
def test_ssh(lan: Lan, daemons: list[subprocess.Popen[str]]) -> None:
    ssh = Ssh(lan.server.directory)
    all_reach_it(lan, 22, lambda host: daemons.append(ssh.serve(host)), ssh.client)


@on_each_path
def test_psql(lan: Lan, daemons: list[subprocess.Popen[str]], request: pytest.FixtureRequest) -> None:
    directory = Path(tempfile.mkdtemp(prefix="postgres"))
    request.addfinalizer(lambda: shutil.rmtree(directory))
    postgres = Postgres(directory)
    all_reach_it(
        lan,
        5432,
        lambda host: daemons.append(postgres.serve(host)),
        lambda address: ["psql", "-XAtq", "-h", address, "-U", "postgres", "-c", "select 'up'", "postgres"],
    )
