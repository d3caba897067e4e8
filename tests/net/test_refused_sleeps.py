# SPDX-License-Identifier: GPL-3.0-or-later
"""A nap that cannot be granted is refused with a sentence, and leaves the host, its neighbours and the server alone."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from tests.net.lan import Lan, Sleeper, wait_for
from tests.net.sleeper import REFUSED

from powernap.shared.wakeapi import host_path


@pytest.fixture(scope="module")
def asleep(module_lan: Lan) -> Iterator[tuple[Lan, Sleeper, Sleeper]]:
    module_lan.server.start()
    web1, web2 = module_lan.sleeper(), module_lan.sleeper("web2", 4)
    web2.nap()
    yield module_lan, web1, web2
    web2.end()


def card(web1: Sleeper, **changes: Any) -> dict[str, Any]:
    return {**web1.registration()["interfaces"][0], **changes}


def registrations(lan: Lan, web1: Sleeper, web2: Sleeper) -> dict[str, tuple[dict[str, Any], int, str]]:
    """What is sent, with the status and a word of the sentence."""
    whole = web1.registration()

    def without(field: str) -> dict[str, Any]:
        return {name: value for name, value in whole.items() if name != field}

    def with_card(**changes: Any) -> dict[str, Any]:
        return {**whole, "interfaces": [card(web1, **changes)]}

    many = ",".join(str(port) for port in range(1, 60000, 3))
    return {
        "no lease": (without("lease_seconds"), REFUSED, "lease_seconds"),
        "an endless lease": ({**whole, "lease_seconds": 1e300}, REFUSED, "lease_seconds"),
        "a lease that is no number": ({**whole, "lease_seconds": "1"}, REFUSED, "lease_seconds"),
        "no TCP ports": (without("tcp_ports"), REFUSED, "tcp_ports"),
        "no UDP ports": (without("udp_ports"), REFUSED, "udp_ports"),
        "20,000 port ranges": ({**whole, "tcp_ports": many}, 413, ""),
        "another sleeper's address": (with_card(addresses=[f"{web2.ipv4}/16"]), REFUSED, "web2"),
        "another sleeper's IPv6 address": (with_card(addresses=[f"{web2.ipv6}/64"]), REFUSED, "web2"),
        "another host's card": (with_card(mac=web2.mac), REFUSED, "web2"),
        "the wake server's address": (with_card(addresses=[f"{lan.server.ipv4}/16"]), REFUSED, "wake server"),
        "the wake server's card": (with_card(mac=lan.server.mac), REFUSED, "wake server"),
        "a multicast card": (with_card(mac="01:00:5e:00:00:01"), REFUSED, "mac"),
        "the broadcast card": (with_card(mac="ff:ff:ff:ff:ff:ff"), REFUSED, "mac"),
        "no card": (with_card(mac="00:00:00:00:00:00"), REFUSED, "mac"),
        "a multicast address": (with_card(addresses=["224.0.0.1/4"]), REFUSED, "224.0.0.1"),
        "an IPv6 multicast address": (with_card(addresses=["ff02::1/64"]), REFUSED, "ff02::1"),
        "the broadcast address": (with_card(addresses=["255.255.255.255/32"]), REFUSED, "255.255.255.255"),
        "the network's broadcast address": (with_card(addresses=["198.18.255.255/16"]), REFUSED, "198.18.255.255"),
        "a loopback address": (with_card(addresses=["127.0.0.1/8"]), REFUSED, "127.0.0.1"),
        "an address from elsewhere": (with_card(addresses=["203.0.113.1/24"]), REFUSED, "203.0.113.1"),
        "no address": (with_card(addresses=[]), REFUSED, "address"),
        "no interface": ({**whole, "interfaces": []}, REFUSED, "interfaces"),
        "65 interfaces": ({**whole, "interfaces": [card(web1)] * 65}, REFUSED, "interfaces"),
    }


def test_a_refusal_tells_why_and_changes_nothing(asleep: tuple[Lan, Sleeper, Sleeper]) -> None:
    lan, web1, web2 = asleep

    def known() -> list[dict[str, Any]]:
        hosts = [lan.server.admin.get(host_path(name)) for name in ("web1", "web2")]
        return [
            {**host, "wake_state_since": round(host["wake_state_since"]), "status": host["status"]["state"]}
            for host in hosts
        ]

    before, wrong = known(), []
    for case, (body, status, word) in registrations(lan, web1, web2).items():
        answered, content = web1.say("asleep", body)
        sentence = str(content.get("error"))
        if answered != status or word not in sentence or "\n" in sentence or len(sentence) > 600:
            wrong.append(f"{case}: {answered} {content}")
        if known() != before:
            wrong.append(f"{case}: {known()}")
            web1.say("awake", {"cause": "cancelled", "slept_seconds": 0.0})
            before = known()
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 60_000,
        b'{"a":' * 10_000,
        b"\xff\xfe",
        b'{"lease_seconds": ' + b"9" * 5000 + b"}",
        b'{"action": "\\ud800"}',
    ],
    ids=["deep lists", "deep objects", "no UTF-8", "a long number", "half a character"],
)
def test_a_strange_body_is_refused(asleep: tuple[Lan, Sleeper, Sleeper], body: bytes) -> None:
    lan, web1, _web2 = asleep
    status, content = web1.say("asleep", body)
    assert status in (400, REFUSED) and content["error"]
    assert lan.state("web1") == "awake"


def secure(lan: Lan, host: Sleeper) -> socket.socket:
    """Made where it is called."""
    connection = socket.create_connection((lan.server.ipv4, 20709), timeout=10)
    return host.trust().wrap_socket(connection)


def test_a_body_of_100_megabytes_is_refused_before_it_is_read(asleep: tuple[Lan, Sleeper, Sleeper]) -> None:
    lan, web1, _web2 = asleep

    def send() -> int:
        with secure(lan, web1) as connection:
            connection.sendall(b"POST /api/v1/messages HTTP/1.1\r\nHost: x\r\nContent-Length: 104857600\r\n\r\n")
            try:
                for _chunk in range(1600):
                    connection.sendall(bytes(65536))
            except OSError:
                pass
            try:
                return int(connection.recv(100).split()[1])
            except (OSError, IndexError):
                return 0

    assert web1.inside(send) in (0, 400, 413)
    assert lan.state("web1") == "awake"


def test_who_sends_slowly_or_nothing_keeps_nobody_from_going_to_sleep(asleep: tuple[Lan, Sleeper, Sleeper]) -> None:
    lan, web1, _web2 = asleep
    crowd = lan.client("crowd", 77)

    def connect() -> list[socket.socket]:
        found = []
        for _each in range(300):
            with contextlib.suppress(OSError):  # more are not let in
                connection = secure(lan, web1)
                connection.sendall(b"POST /api/v1/messages HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n{")
                found.append(connection)
        return found

    slow = crowd.inside(connect)
    assert len(slow) > 100
    try:
        status, content = web1.say("asleep", web1.registration())
        assert status == 200, content
        assert web1.say("awake", {"cause": "cancelled", "slept_seconds": 0.0})[0] == 200
        wait_for(lambda: lan.state("web1") == "awake")
    finally:
        for connection in slow:
            connection.close()
