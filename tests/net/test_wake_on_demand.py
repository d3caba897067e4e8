# SPDX-License-Identifier: GPL-3.0-or-later
"""Real kernels on both sides: what a neighbour's kernel believes, and what a real connect() sees."""

from __future__ import annotations

import socket
import time

import pytest
from tests.net.lan import Lan, on_each_path, wait_for


def test_neighbours_are_sent_to_the_wake_server_while_a_host_sleeps(lan: Lan) -> None:
    desk, web1 = lan.client(), lan.sleeper()
    for address in (web1.ipv4, web1.ipv6):
        desk.knows(address)
        assert desk.neighbour(address) == web1.mac
    web1.nap()
    for address in (web1.ipv4, web1.ipv6):
        wait_for(lambda address=address: desk.neighbour(address) == lan.server.mac)


@on_each_path
@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_a_connection_wakes_the_host_and_is_answered_by_it(lan: Lan, family: str) -> None:
    desk, web1 = lan.client(), lan.sleeper()
    address = getattr(web1, family)
    listener = web1.listen(80)
    web1.nap()
    connection, _ = desk.connect(address, 80)
    peer, _ = listener.accept()
    peer.sendall(b"hello")
    assert connection.recv(5) == b"hello"
    wait_for(lambda: desk.neighbour(address) == web1.mac)
    lan.wait_for_state("web1", "awake")
    assert lan.events("web1", "demand")


@on_each_path
@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_the_held_connection_opens_as_soon_as_the_host_is_ready(lan: Lan, family: str) -> None:
    desk, web1 = lan.client(), lan.sleeper()
    listener = web1.listen(80)
    web1.nap()
    web1.resume_delay = 1.4  # the client's own next SYN leaves at 2 s
    _, connected = desk.connect(getattr(web1, family), 80)
    assert lan.events("web1", "replayed")
    assert connected - wait_for(lambda: web1.ready_at) < 0.55
    listener.close()


def test_a_woken_host_hears_for_whom(lan: Lan) -> None:
    desk, web1 = lan.client(), lan.sleeper()
    web1.serve(80)
    web1.nap()
    connection, _ = desk.connect(web1.ipv4, 80)
    web1.settle()
    told = web1.welcome["woken_for"]
    assert (told["reason"], told["address"], told["mac"], told["port"]) == ("demand", desk.ipv4, desk.mac, 80)
    assert told["packets"] >= 1 and abs(told["at"] - time.time()) < 30
    connection.close()
    assert web1.hello("start")["woken_for"] == told  # it is still what it was last woken for
    web1.nap()
    web1.wake()
    assert web1.welcome["woken_for"] is None


def test_a_host_that_says_no_hello_is_found_ready_by_probing(lan: Lan) -> None:
    desk, web1 = lan.client(), lan.sleeper()
    listener = web1.listen(80)
    web1.nap()
    web1.says_hello, web1.resume_delay = False, 1.4
    _, connected = desk.connect(web1.ipv4, 80)
    assert connected - wait_for(lambda: web1.ready_at) < 0.55
    listener.close()


@on_each_path
def test_the_first_datagram_reaches_the_woken_host(lan: Lan) -> None:
    desk, web1 = lan.client(), lan.sleeper()

    def bind() -> socket.socket:
        opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        opened.bind(("0.0.0.0", 5000))
        opened.settimeout(5)
        return opened

    receiver = web1.inside(bind)
    web1.nap(tcp="", udp="5000")
    desk.knows(web1.ipv4) if desk.neighbour(web1.ipv4) else None
    sender = desk.inside(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    sender.sendto(b"first", (web1.ipv4, 5000))
    assert receiver.recv(100) == b"first"


def test_lost_magic_packets_are_sent_again(lan: Lan) -> None:
    desk, web1 = lan.client(), lan.sleeper()
    listener = web1.listen(80)
    web1.nap()
    web1.lose = 7  # more than two volleys of three
    desk.connect(web1.ipv4, 80)
    assert len(web1.magic_at) >= 8
    listener.close()


@on_each_path
def test_an_ssh_session_that_types_wakes_its_host(lan: Lan) -> None:
    desk, web1 = lan.client(), lan.sleeper()
    listener = web1.listen(22)
    connection, _ = desk.connect(web1.ipv4, 22)
    peer, _ = listener.accept()
    web1.nap(tcp="22")
    connection.sendall(b"ls\n")
    peer.settimeout(8)
    assert peer.recv(10) == b"ls\n"


@on_each_path
def test_an_owner_that_wakes_by_itself_gets_its_addresses_back_within_a_second(lan: Lan) -> None:
    desk, web1 = lan.client(), lan.sleeper()
    desk.knows(web1.ipv4)
    desk.knows(web1.ipv6)
    web1.nap()
    wait_for(lambda: desk.neighbour(web1.ipv6) == lan.server.mac)
    web1.wake()
    for address in (web1.ipv4, web1.ipv6):
        wait_for(lambda address=address: desk.neighbour(address) == web1.mac, 3)
    lan.wait_for_state("web1", "awake")
    assert not lan.events("web1", "magic packet")
