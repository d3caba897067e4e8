# SPDX-License-Identifier: GPL-3.0-or-later
"""Real kernels on both sides: what a neighbour's kernel believes, and what a real connect() sees."""

from __future__ import annotations

import pytest
from tests.net.lan import Lan, wait_for


def test_neighbours_are_sent_to_the_wake_server_while_a_host_sleeps(lan: Lan) -> None:
    desk, web1 = lan.client(), lan.sleeper()
    for address in (web1.ipv4, web1.ipv6):
        desk.knows(address)
        assert desk.neighbour(address) == web1.mac
    web1.nap()
    for address in (web1.ipv4, web1.ipv6):
        wait_for(lambda address=address: desk.neighbour(address) == lan.server.mac, 3)


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
    wait_for(lambda: desk.neighbour(address) == web1.mac, 1)
    lan.wait_for_state("web1", "awake")
    assert lan.events("web1", "demand")


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_the_held_connection_opens_as_soon_as_the_host_is_ready(lan: Lan, family: str) -> None:
    desk, web1 = lan.client(), lan.sleeper()
    listener = web1.listen(80)
    web1.nap()
    web1.resume_delay = 1.4  # the client's own next SYN leaves at 2 s
    _, connected = desk.connect(getattr(web1, family), 80)
    assert lan.events("web1", "replayed")
    assert connected - wait_for(lambda: web1.ready_at) < 0.3
    listener.close()
