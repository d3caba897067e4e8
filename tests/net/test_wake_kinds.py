# SPDX-License-Identifier: GPL-3.0-or-later
"""First packets of every kind that real kernels send, and hosts that are slower than their network."""

from __future__ import annotations

import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.net.lan import Lan, Node, on_each_path, wait_for

FAST_OPEN = 0x20000000  # MSG_FASTOPEN


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
@on_each_path
def test_a_syn_with_congestion_notification_is_a_syn(lan: Lan, family: str) -> None:
    """RFC 3168 section 6.1.1 sets two more of its flags."""
    desk, web1 = lan.client(), lan.sleeper()
    desk.run("sh", "-c", "echo 1 > /proc/sys/net/ipv4/tcp_ecn")
    web1.serve(80)
    web1.nap()
    _, connected = desk.connect(getattr(web1, family), 80)
    assert web1.magic_at and connected - web1.ready_at < 1


def test_a_syn_that_brings_data_is_replayed_with_it(lan: Lan) -> None:
    """TCP Fast Open (RFC 7413): the client knows the host's cookie from before."""
    desk, web1 = lan.client(), lan.sleeper()
    for node in (desk, web1):
        node.run("sh", "-c", "echo 3 > /proc/sys/net/ipv4/tcp_fastopen")
    listener = web1.listen(80)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, 5)
    listener.settimeout(10)

    def ask(text: bytes) -> None:
        def act() -> socket.socket:
            opened = socket.socket()
            opened.sendto(text, FAST_OPEN, (web1.ipv4, 80))
            return opened

        with desk.inside(act), listener.accept()[0] as peer:
            peer.settimeout(5)
            assert peer.recv(100) == text

    ask(b"for the cookie")
    web1.nap()
    web1.resume_delay = 0.4
    ask(b"with the cookie")
    assert web1.magic_at


def test_many_clients_at_once_all_get_their_connection(lan: Lan) -> None:
    desk, web1 = lan.client(), lan.sleeper()
    web1.serve(80)
    web1.nap()
    web1.resume_delay = 1.4
    with ThreadPoolExecutor(40) as pool:
        made = list(pool.map(lambda number: desk.connect((web1.ipv4, web1.ipv6)[number % 2], 80), range(40)))
    assert max(connected for _, connected in made) - web1.ready_at < 0.5
    assert len(web1.magic_at) < 20, "one wake for all"


@on_each_path
def test_a_machine_that_boots_refuses_no_connection_before_its_service_is_there(lan: Lan) -> None:
    """Its kernel would: it answers a SYN to a port on which nobody listens yet with a reset."""
    desk, web1 = lan.client(), lan.sleeper()
    web1.nap(action="poweroff")

    def boots() -> float:
        wait_for(lambda: web1.ready_at)
        time.sleep(1.5)
        web1.serve(80)
        return time.monotonic()

    with ThreadPoolExecutor(1) as pool:
        serves = pool.submit(boots)
        _, connected = desk.connect(web1.ipv4, 80, 15)
        assert -0.1 < connected - serves.result() < 1.5


@on_each_path
def test_pings_are_answered_for_a_host_that_wants_it_and_wake_nobody(lan: Lan) -> None:
    desk, away, web1 = lan.client(), lan.routed_client(), lan.sleeper()
    web1.nap(answer_ping=True)

    def ping(client: Node, address: str) -> int:
        return client.run("ping", "-c1", "-w5", "-n", address, check=False).returncode

    for client in (desk, away):
        for address in (web1.ipv4, web1.ipv6):
            assert ping(client, address) == 0
    assert lan.state("web1") == "proxied" and not web1.magic_at
