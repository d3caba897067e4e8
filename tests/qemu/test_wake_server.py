# SPDX-License-Identifier: GPL-3.0-or-later
"""A real kernel's sleep with a real wake server: a connection to the sleeping machine wakes it, and is answered."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from guest import MAC, Guest
from tests.net.lan import Lan, Node, missing, wait_for
from wire import Wire

from powernap.shared.wakeapi import host_path

NAME, IPV4, IPV6 = "physical", "198.18.0.50", "fd4c::32"
CARD = "ens2"
NAP = f"""
[nap]
absent_seconds = 8
grace_seconds = 0
min_awake_seconds = 600
[sleep]
min_sleep_seconds = 0
[server]
url = "https://198.18.0.1:20709"
name = "{NAME}"
tcp_ports = [80]
[monitors.nobody]
kind = "process"
pattern = "^nobody-runs-this"
"""
READY_SECONDS = 60


class Bench:
    """The guest on a segment with a wake server and a client."""

    def __init__(self, lan: Lan, guest: Guest) -> None:
        self.lan, self.guest = lan, guest
        self.desk = lan.client()
        port = Node(lan, "port", 50)
        lan.nodes.append(port)
        for address in (f"{port.ipv4}/16", f"{port.ipv6}/64"):  # the guest's own
            port.run("ip", "addr", "del", address, "dev", "eth0")
        port.run("ip", "link", "set", "eth0", "promisc", "on")
        for node in (lan.server, self.desk):  # nobody completes a checksum on the way to the guest
            node.run("ethtool", "-K", "eth0", "tx", "off")
        port.run("sh", "-c", "echo 1 > /proc/sys/net/ipv6/conf/eth0/disable_ipv6")
        self.wire = Wire(guest, port)
        content = lan.server.admin.put(host_path(NAME), {"macs": [MAC], "addresses": [IPV4]})
        guest.run(["sh", "-c", "umask 77 && cat > /etc/powernap/client.key"], text=content["key"])
        authority = (lan.server.directory / "tls" / "ca.pem").read_text()
        guest.run(["sh", "-c", "cat > /etc/powernap/server-ca.pem"], text=authority)
        for address in (f"{IPV4}/16", f"{IPV6}/64"):
            guest.run(["ip", "addr", "replace", address, "dev", CARD, "nodad"])
        guest.run(["systemd-run", "--unit", "web", "python3", "-m", "http.server", "--bind", "::", "80"])

    def end(self) -> None:
        self.wire.end()
        self.guest.run(["systemctl", "stop", "web"])
        for network in ("198.18.0.0/16", "fd4c::/64"):
            self.guest.run(["ip", "addr", "flush", "dev", CARD, "to", network])

    def sleeps(self) -> None:
        self.guest.event("SUSPEND", 60)
        self.wire.magic.clear()
        self.wire.asleep = True
        self.lan.wait_for_state(NAME, "proxied", 10)

    def wakes(self) -> float:
        """Press the button once a magic packet has come. Returns when."""
        assert self.wire.magic.wait(5)
        pressed = time.monotonic()
        self.wire.asleep = False
        self.guest.qmp("system_wakeup")
        self.guest.event("WAKEUP", 10)
        return pressed


@pytest.fixture
def bench(guest: Guest, tmp_path: Path) -> Iterator[Bench]:
    why = missing()
    if why:
        pytest.skip(why)
    lan = Lan(tmp_path)
    try:
        lan.server.settings["probe_seconds"] = "0.3"
        lan.server.start()
        bench = Bench(lan, guest)
        yield bench
        bench.end()
    finally:
        lan.close()


@pytest.mark.parametrize("address", [IPV4, IPV6], ids=["ipv4", "ipv6"])
def test_a_connection_wakes_the_sleeping_machine_and_is_answered_by_it(napper, bench: Bench, address: str) -> None:
    lan, desk, guest = bench.lan, bench.desk, bench.guest
    guest.run(["ethtool", "-s", CARD, "wol", "d"])
    napper.start(NAP)
    bench.sleeps()
    assert desk.owners(address) == {lan.server.mac}
    with ThreadPoolExecutor(1) as pool:
        connecting = pool.submit(desk.connect, address, 80, READY_SECONDS)
        pressed = bench.wakes()
        connection, connected = connecting.result()
    with connection:
        connection.sendall(b"HEAD / HTTP/1.0\r\n\r\n")
        connection.settimeout(20)
        assert connection.recv(12) == b"HTTP/1.0 200"
    print(f"connected {connected - pressed:.2f} s after the machine was woken")
    lan.wait_for_state(NAME, "awake", 20)
    wait_for(lambda: lan.events(NAME, "hello"), 20)
    assert lan.events(NAME, "replayed")
    assert desk.neighbour(address) == MAC
    assert desk.owners(address, 1.0) == {MAC}
    assert "Wake-on: g" in guest.run(["ethtool", CARD])
    slept = [word["cause"] for word in napper.ask("decisions")["decisions"] if "slept" in word["cause"]]
    assert slept, "its clocks tell how long it slept"
