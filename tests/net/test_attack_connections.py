# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections that go half of the way, floods of them and of messages, files used up: hosts register, and are woken."""

from __future__ import annotations

import contextlib
import os
import ssl
import threading
import time
from pathlib import Path

import pytest
from tests.net.attacker import Attacker, Cost, answered, frame, post
from tests.net.lan import Lan, Node, Sleeper, wait_for
from tests.net.linked import linked

from powernap.shared.envelope import TO_SERVER, Message, seal

pytestmark = pytest.mark.alone

GROWTH = 128 << 20  # bytes, of a client that says as much as it can for five seconds


def settings(lan: Lan, **listen: object) -> None:
    path = lan.server.configure().with_suffix(".d")
    path.mkdir(exist_ok=True)
    (path / "listen.toml").write_text("[listen]\n" + "".join(f"{key} = {value}\n" for key, value in listen.items()))


def woken(desk: Node, host: Sleeper) -> float:
    """Seconds from a connect to the magic packet, of a host that has just registered and sleeps."""
    asked = time.monotonic()
    desk.connect(host.ipv4, 80, 15)[0].close()
    host.settle()
    return host.magic_at[0] - asked


def sockets(lan: Lan) -> int:
    """How many powerwaked has open."""
    assert lan.server.process is not None
    found = 0
    for each in Path(f"/proc/{lan.server.process.pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found += str(each.readlink()).startswith("socket:")
    return found


@pytest.mark.parametrize("step", ["tcp", "tls", "http", "link"])
def test_a_thousand_that_go_half_of_the_way_keep_nobody_out_and_nobody_asleep(bare_lan: Lan, step: str) -> None:
    settings(bare_lan, unproven_seconds=6)
    bare_lan.server.start()
    web1, desk, evil = bare_lan.sleeper(), bare_lan.client(), Attacker(bare_lan, sources=20)
    web1.serve(80)
    before = sockets(bare_lan)
    with Cost(bare_lan) as cost:
        made = evil.many(1000, step)
        assert len(made) == 1000
        wait_for(lambda: sockets(bare_lan) >= before + 990, 5)
    began = time.monotonic()
    web1.nap()
    registered = time.monotonic() - began
    magic = woken(desk, web1)
    wait_for(lambda: bare_lan.state("web1") == "awake")
    print(
        f"{step}: {cost.cpu:.2f} s of CPU and {cost.grown >> 20} MiB for 1000; proxied after {registered:.2f} s, "
        f"magic packet after {magic * 1000:.0f} ms"
    )
    assert registered < 5 and magic < 2
    assert cost.grown < 60 << 20
    wait_for(lambda: sockets(bare_lan) <= before + 2, 40, 0.2)  # each has its time, and no more
    for each in made:
        each.close()


def test_slow_ones_have_their_time_and_no_more(bare_lan: Lan) -> None:
    settings(bare_lan, unproven_seconds=2)
    bare_lan.server.start()
    evil = Attacker(bare_lan)
    web1 = linked(bare_lan, "web1", 3)

    def dribbles(wire: ssl.SSLSocket, data: bytes) -> float:
        began = time.monotonic()
        with contextlib.suppress(OSError):
            for byte in data:
                wire.sendall(bytes([byte]))
                time.sleep(0.1)
                wire.settimeout(0.001)
                with contextlib.suppress(TimeoutError, ssl.SSLWantReadError):
                    if not wire.recv(4096):
                        break
                wire.settimeout(20)
        return time.monotonic() - began

    hello = seal(web1.key, TO_SERVER, Message("web1", "state", 1 << 61, {"state": "awake"}))
    slow = {
        "head": (evil.tls(), b"GET /api/v1/health HTTP/1.1\r\nX: " + b"y" * 200),
        "body": (evil.tls(), post("/api/v1/enrol", b"{" + b" " * 200)),
        "frame": (evil.link(), frame(hello.encode())),
        "public": (evil.tls(), b"GET /api/v1/health HTTP/1.1\r\nHost: x\r\n\r\n" * 5),
    }
    took: dict[str, float] = {}
    threads = [
        threading.Thread(target=lambda name=name, what=what: took.update({name: dribbles(*what)}))
        for name, what in slow.items()
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    print(took)
    assert all(seconds < 10 for seconds in took.values()) and len(took) == 4


def test_a_known_host_has_one_connection_that_lasts_whatever_it_opens(bare_lan: Lan) -> None:
    """Whoever has a key could else use up the open files, with refused messages alone."""
    settings(bare_lan, unproven_seconds=3)
    bare_lan.server.start()
    web1, evil = linked(bare_lan, "web1", 3), Attacker(bare_lan)
    number, before = web1.sequence, sockets(bare_lan)
    replayed = seal(web1.key, TO_SERVER, Message("web1", "state", number, {"state": "awake"}))
    for _each in range(10):
        link = evil.link()
        link.sendall(frame(replayed.encode()))
        assert link.recv(1000)
        wire = evil.tls()
        wire.sendall(post("/api/v1/messages", replayed.encode()))
        assert b" 200 " in answered(wire)
    wait_for(lambda: sockets(bare_lan) == before, 30, 0.1)
    assert web1.tell("state", {"state": "awake"}).body["ok"] is True


def test_a_client_that_floods_is_refused_and_nobody_else_feels_it(bare_lan: Lan) -> None:
    bare_lan.server.start()
    web1, web2, desk = linked(bare_lan, "web1", 3), bare_lan.sleeper("web2", 4), bare_lan.client()
    web2.serve(80)
    evil, over, sent = Attacker(bare_lan), threading.Event(), [0, 0, 0]
    numbers = iter(range(1 << 61, 1 << 62))

    def floods(kind: int) -> None:
        while not over.is_set():
            with contextlib.suppress(OSError, AssertionError):
                if kind == 0:  # as many messages as a link takes, replays among them
                    link = evil.link()
                    link.settimeout(10)
                    while not over.is_set():
                        bodies = (next(numbers), 1, 1)
                        said = [Message("web1", "state", number, {"state": "awake"}) for number in bodies]
                        link.sendall(b"".join(frame(seal(web1.key, TO_SERVER, each).encode()) for each in said))
                        sent[0] += 3
                elif kind == 1:  # hellos, each by a link of its own
                    body = {"nonce": os.urandom(16).hex(), "state": "awake", "cause": "boot"}
                    evil.link().sendall(
                        frame(seal(web1.key, TO_SERVER, Message("web1", "hello", next(numbers), body)).encode())
                    )
                    sent[1] += 1
                else:  # connections
                    evil.tcp().close()
                    sent[2] += 1

    threads = [threading.Thread(target=floods, args=(kind,)) for kind in (0, 0, 1, 1, 2)]
    with Cost(bare_lan) as cost:
        began = time.monotonic()
        for thread in threads:
            thread.start()
        try:
            for _time in range(3):
                web2.nap()
                magic = woken(desk, web2)
                print(f"magic packet after {magic * 1000:.0f} ms")
                assert magic < 2
                wait_for(lambda: bare_lan.state("web2") == "awake")
        finally:
            over.set()
            for thread in threads:
                thread.join(30)
        seconds = time.monotonic() - began
    print(f"{sent} in {seconds:.1f} s; {cost.cpu / seconds * 100:.0f} % of a CPU, {cost.grown >> 10} KiB")
    assert cost.grown < GROWTH
    assert bare_lan.server.log.stat().st_size < 200_000


def test_when_open_files_are_used_up_it_wakes_and_takes_hosts_again_afterwards(bare_lan: Lan) -> None:
    settings(bare_lan, unproven_seconds=4)
    command = bare_lan.server.command
    bare_lan.server.command = lambda config: ["prlimit", "--nofile=200:200", *command(config)]
    bare_lan.server.start()
    web1, desk, evil = bare_lan.sleeper(), bare_lan.client(), Attacker(bare_lan, sources=10)
    web1.serve(80)
    web1.nap()
    before = sockets(bare_lan)
    made = evil.many(300, "tcp")
    wait_for(lambda: "raise LimitNOFILE" in bare_lan.server.log.read_text())
    assert woken(desk, web1) < 2
    assert bare_lan.server.admin.get("/api/v1/status")["hosts"] == 1  # operators on the machine itself come in
    wait_for(lambda: bare_lan.state("web1") == "awake")
    for each in made:
        each.close()
    wait_for(lambda: sockets(bare_lan) <= before + 1, 30, 0.2)
    web1.nap()
    assert woken(desk, web1) < 2
    assert bare_lan.server.log.read_text().count("raise LimitNOFILE") == 1
    assert "Traceback" not in bare_lan.server.log.read_text()
