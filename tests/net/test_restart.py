# SPDX-License-Identifier: GPL-3.0-or-later
"""The daemon may die at any moment: nobody who sleeps is forgotten."""

from __future__ import annotations

import contextlib
import signal
import socket
import time

import pytest
from tests.net.lan import Lan, on_each_path, wait_for


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_sleeper_is_woken_after_the_daemon_was_killed_and_started(lan: Lan, how: signal.Signals) -> None:
    desk, web1 = lan.client(), lan.sleeper()
    listener = web1.listen(80)
    desk.knows(web1.ipv4)
    web1.nap()
    lan.server.stop(how)
    assert web1.asleep
    lan.server.start()
    _, connected = desk.connect(web1.ipv4, 80)
    assert web1.magic_at and connected - wait_for(lambda: web1.ready_at) < 1.5
    lan.wait_for_state("web1", "awake")
    listener.close()


def test_a_sleeper_is_captured_again_within_two_seconds_of_the_restart(lan: Lan) -> None:
    web1 = lan.sleeper()
    web1.nap()
    lan.server.stop(signal.SIGKILL)
    lan.server.start()
    started = time.monotonic()
    lan.wait_for_state("web1", "proxied", 3)
    assert time.monotonic() - started < 2


def taken_up(lan: Lan) -> None:
    """All sleepers are beyond doubt again."""
    wait_for(lambda: lan.server.admin.get("/api/v1/status")["packet_path"]["sleepers_taken_up"])


@pytest.mark.parametrize("path", ["ebpf"], indirect=True)
def test_what_the_kernel_answered_for_meanwhile_is_not_asked_again(lan: Lan) -> None:
    desk, web1 = lan.client(), lan.sleeper()
    listener = web1.listen(80)
    web1.nap()
    time.sleep(0.5)
    lan.server.stop(signal.SIGKILL)
    with web1.raw() as nic:
        lan.server.start()
        taken_up(lan)
        nic.settimeout(0.5)
        heard = []
        with contextlib.suppress(TimeoutError):
            while True:
                heard.append(nic.recv(2048))
    asked = [frame for frame in heard if frame[6:12].hex(":") == lan.server.mac and frame[12:14] == b"\x08\x06"]
    assert not asked and lan.state("web1") == "proxied" and not lan.events("web1", "recalled")
    desk.connect(web1.ipv4, 80)
    lan.wait_for_state("web1", "awake")
    listener.close()


@on_each_path
def test_many_that_sleep_and_one_that_woke_are_told_apart_after_a_kill(lan: Lan) -> None:
    hosts = [lan.sleeper(f"host{number}", 30 + number) for number in range(6)]
    for host in hosts:
        host.nap()
    lan.server.stop(signal.SIGKILL)
    hosts[2].says_hello = False
    hosts[2].wake()
    hosts[2].run("ping", "-c1", "-W0.3", "-n", hosts[0].ipv4, check=False)  # whatever it looks for: it is heard
    lan.server.start()
    taken_up(lan)
    wait_for(lambda: [lan.state(host.name) for host in hosts].count("proxied") == 5)
    assert lan.state("host2") != "proxied" and not lan.events("host2", "magic packet")
    assert not any(host.magic_at for host in hosts)


def test_a_host_that_woke_while_the_daemon_was_dead_is_found_awake(lan: Lan) -> None:
    desk, web1 = lan.client(), lan.sleeper()
    desk.knows(web1.ipv4)
    web1.nap()
    wait_for(lambda: desk.neighbour(web1.ipv4) == lan.server.mac)
    lan.server.stop(signal.SIGKILL)
    web1.says_hello = False
    web1.wake()
    lan.server.start()
    wait_for(lambda: desk.neighbour(web1.ipv4) == web1.mac)
    assert not lan.events("web1", "magic packet")


def test_a_reload_keeps_the_sleepers(lan: Lan) -> None:
    web1 = lan.sleeper()
    web1.nap()
    lan.server.settings["wake_on"] = '"never"'
    lan.server.configure()
    lan.server.process.send_signal(signal.SIGHUP)
    wait_for(lambda: "read again" in lan.server.log.read_text())
    assert lan.state("web1") == "proxied"
    (lan.server.directory / "powerwaked.toml").write_text("[wake]\nvolleyz = 3\n")
    lan.server.process.send_signal(signal.SIGHUP)
    wait_for(lambda: "volleyz" in lan.server.log.read_text())
    assert lan.state("web1") == "proxied"


def test_an_interface_that_comes_and_goes_is_followed(lan: Lan) -> None:
    server = lan.server

    def names() -> set[str]:
        return {card["name"] for card in server.admin.get("/api/v1/status")["interfaces"]}

    assert names() == {"eth0"}
    server.run("ip", "link", "add", "eth1", "up", "type", "veth", "peer", "name", "eth1peer")
    server.run("ip", "link", "set", "eth1peer", "up")
    wait_for(lambda: names() == {"eth0", "eth1", "eth1peer"})
    server.run("ip", "link", "del", "eth1")
    wait_for(lambda: names() == {"eth0"})


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_sleepers_are_stood_in_for_again_after_the_interface_came_back(lan: Lan, family: str) -> None:
    server, desk, web1 = lan.server, lan.client(), lan.sleeper()

    def names() -> set[str]:
        return {card["name"] for card in server.admin.get("/api/v1/status")["interfaces"]}

    def groups() -> str:
        return server.run("ip", "maddr", "show", "dev", "eth0").stdout

    listener = web1.listen(80)
    web1.nap()
    solicited = "ff02::1:ff00:3"
    assert solicited in groups()
    for command in ("down", "name gone"):
        server.run("ip", "link", "set", "eth0", *command.split())
    wait_for(lambda: not names())
    for command in ("name eth0", "up"):
        server.run("ip", "link", "set", "gone" if command != "up" else "eth0", *command.split())
    server.run("ip", "addr", "add", f"{server.ipv6}/64", "dev", "eth0", "nodad")
    wait_for(lambda: names() == {"eth0"})
    wait_for(lambda: solicited in groups())
    desk.connect(getattr(web1, family), 80)
    lan.wait_for_state("web1", "awake")
    listener.close()


def test_systemd_is_told_how_the_daemon_fares(bare_lan: Lan, monkeypatch: pytest.MonkeyPatch) -> None:
    server = bare_lan.server
    path = str(server.directory / "notify.sock")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(path)
        systemd.settimeout(5)

        def hear(word: bytes) -> None:
            while word not in systemd.recv(4096):
                pass

        monkeypatch.setenv("NOTIFY_SOCKET", path)
        monkeypatch.setenv("WATCHDOG_USEC", "200000")
        server.start()
        hear(b"READY=1")
        for _ in range(3):
            hear(b"WATCHDOG=1")
        assert server.process is not None
        server.process.send_signal(signal.SIGHUP)
        hear(b"RELOADING=1")
        hear(b"READY=1")
        server.process.send_signal(signal.SIGTERM)
        hear(b"STOPPING=1")
        assert server.process.wait(10) == 0
