# SPDX-License-Identifier: GPL-3.0-or-later
"""What the wake server's own machine asks for: its kernel hears no answer that the wake server sends."""

from __future__ import annotations

import socket
import time

import pytest
from tests.net.lan import Lan, wait_for


@pytest.mark.parametrize("wake_on", ["demand", "arp"])
@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_a_connection_from_the_wake_servers_own_machine_wakes_the_host(lan: Lan, family: str, wake_on: str) -> None:
    web1 = lan.sleeper(wake_on=wake_on)
    address = getattr(web1, family)
    listener = web1.listen(80)
    web1.nap()
    web1.resume_delay = 1.0
    lan.server.run("ip", "neigh", "flush", "all")
    _, connected = lan.server.connect(address, 80)
    assert web1.magic_at and connected > web1.ready_at
    lan.wait_for_state("web1", "awake")
    assert lan.server.neighbour(address) == web1.mac
    (demand,) = lan.events("web1", "demand")
    assert demand["detail"].startswith("ARP" if family == "ipv4" else "NS")
    assert "this machine itself" in demand["detail"]
    listener.close()


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_its_kernel_may_still_know_where_the_host_is(lan: Lan, family: str) -> None:
    web1 = lan.sleeper()
    address = getattr(web1, family)
    listener = web1.listen(80)
    web1.nap()
    web1.resume_delay = 1.4  # the client's own next SYN leaves at 3 s
    # As after recent use: no question is asked for half a minute.
    lan.server.run("ip", "neigh", "replace", address, "lladdr", web1.mac, "dev", "eth0", "nud", "reachable")
    _, connected = lan.server.connect(address, 80)
    assert connected - wait_for(lambda: web1.ready_at) < 1.0
    (demand,) = lan.events("web1", "demand")
    assert demand["detail"].startswith("TCP SYN to port 80") and "this machine itself" in demand["detail"]
    assert lan.events("web1", "replayed")
    assert lan.server.neighbour(address) == web1.mac
    listener.close()


def test_never_means_never_for_the_machine_itself_too(lan: Lan) -> None:
    web1 = lan.sleeper(wake_on="never")
    web1.nap()
    lan.server.run("ip", "neigh", "flush", "all")
    lan.server.run("ping", "-c1", "-W1", "-n", web1.ipv4, check=False)
    assert not web1.magic_at and lan.state("web1") == "proxied"


def test_the_kernel_verifying_what_it_knew_wakes_nobody(lan: Lan) -> None:
    web1 = lan.sleeper()
    for family in ("ipv4", "ipv6"):  # sooner than after 5 s, to be done sooner
        script = (
            f"cd /proc/sys/net/{family}/neigh/eth0 && echo 1 > delay_first_probe_time && echo 200 > retrans_time_ms"
        )
        lan.server.run("sh", "-c", script)
    web1.nap()
    raw = web1.raw()

    def delay(address: str) -> None:
        lan.server.run("ip", "neigh", "replace", address, "lladdr", web1.mac, "dev", "eth0", "nud", "delay")

    for address in (web1.ipv4, web1.ipv6):
        delay(address)

    def verified() -> bool:
        # A failed entry is soon gone: the kernel's periodic clean-up drops it, whenever that falls.
        entries = lan.server.run("ip", "neigh").stdout.splitlines()
        mine = [line for line in entries if line.split()[0] in (web1.ipv4, web1.ipv6)]
        for line in mine:
            if "REACHABLE" in line:  # the last words of the connection by which it went to sleep were a confirmation
                delay(line.split()[0])
        return all("FAILED" in line for line in mine)

    wait_for(verified)
    raw.setblocking(False)
    frames = []
    while True:
        try:
            frames.append(raw.recv(2000))
        except BlockingIOError:
            break
    own = bytes.fromhex(web1.mac.replace(":", ""))
    assert [frame for frame in frames if frame[:6] == own and frame[12:14] == b"\x08\x06"], "it did ask"
    assert not web1.magic_at and lan.state("web1") == "proxied"


def test_what_the_daemon_sends_is_no_demand_even_where_it_passes_another_of_its_sockets(lan: Lan) -> None:
    server = lan.server
    # Frames of mac0 leave through eth0, where the daemon listens too; web1's network is nearest on mac0.
    server.run("ip", "link", "add", "mac0", "link", "eth0", "type", "macvlan", "mode", "bridge")
    server.run("ip", "addr", "add", "198.18.0.2/24", "dev", "mac0")
    server.run("ip", "link", "set", "mac0", "up")
    wait_for(lambda: len(server.admin.get("/api/v1/status")["interfaces"]) == 2)
    before = time.monotonic()
    web1 = lan.sleeper()
    web1.nap()
    wait_for(lambda: time.monotonic() - before > 4.5, 6)  # announced again, and asked again, at 1 and 3 s
    assert not web1.magic_at and lan.state("web1") == "proxied"
    listener = web1.listen(80)
    server.connect(web1.ipv4, 80)
    assert web1.magic_at
    listener.close()


def test_what_this_machine_sends_to_others_stays_in_the_kernel(lan: Lan) -> None:
    desk, web1 = lan.client(), lan.sleeper()
    web1.nap()
    lan.server.knows(desk.ipv4)
    lan.server.knows(desk.ipv6)

    def frames() -> int:
        return int(lan.server.admin.get("/api/v1/status")["interfaces"][0]["frames"])

    def send(address: str, number: int) -> None:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        sender = lan.server.inside(lambda: socket.socket(family, socket.SOCK_DGRAM))
        for _ in range(number):
            sender.sendto(b"x", (address, 9999))

    before = frames()
    send(desk.ipv4, 100)
    send(desk.ipv6, 100)
    assert frames() - before < 20
    lan.server.run("ip", "neigh", "replace", web1.ipv4, "lladdr", web1.mac, "dev", "eth0", "nud", "permanent")
    send(web1.ipv4, 100)
    wait_for(lambda: frames() - before >= 100)
    assert not web1.magic_at, "nothing was registered for that port"
