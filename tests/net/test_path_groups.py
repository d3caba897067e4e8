# SPDX-License-Identifier: GPL-3.0-or-later
"""Membership in the solicited-node groups of many sleepers, and what the classic path lets through on a real card."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from tests.net.lan import missing, run
from tests.net.wire import (
    ASKER,
    ASKER4,
    OURS,
    OWNER,
    SLEEPER4,
    SLEEPER6,
    Wire,
    nothing_more,
    question,
    received,
    solicitation,
    wire,
)

from powernap.net import arp
from powernap.net.multicast import SolicitedNodes
from powernap.wake.path.base import Entry, Key
from powernap.wake.path.classic import ClassicPath


@pytest.fixture(scope="module")
def cable() -> Iterator[Wire]:
    why = missing()
    if why:
        pytest.skip(why)
    with wire() as made:
        yield made


def _groups(cable: Wire) -> int:
    return run("ip", "-n", cable.here, "-6", "maddress", "show", "dev", "pn0").stdout.count("ff02::1:ff")


def test_a_thousand_groups_are_joined_and_left_again(cable: Wire):
    run("ip", "netns", "exec", cable.here, "sysctl", "-qw", "net.ipv6.conf.pn0.disable_ipv6=0")
    before = _groups(cable)
    groups = cable.inside(cable.here, lambda: SolicitedNodes(cable.interface.index))
    addresses = [bytes(13) + number.to_bytes(3, "big") for number in range(256, 1256)]

    def join() -> bool:
        return all(groups.join(address) for address in addresses)

    assert cable.inside(cable.here, join)
    assert _groups(cable) == before + 1000
    assert groups.join(addresses[0])
    for address in addresses:
        groups.leave(address)
    assert _groups(cable) == before + 1
    groups.close()
    assert _groups(cable) == before
    run("ip", "netns", "exec", cable.here, "sysctl", "-qw", "net.ipv6.conf.pn0.disable_ipv6=1")
    cable.drain()


@pytest.fixture
def attached(cable: Wire):
    raw = cable.raw()
    path = ClassicPath("for this test")
    path.attach(raw, cable.interface)
    yield path, raw, cable.interface.index
    path.close(keep=False)
    raw.close()


def test_the_classic_path_hears_what_concerns_a_sleeper_and_nothing_else(cable: Wire, attached):
    path, raw, index = attached
    cable.send(question())
    assert nothing_more(raw)
    path.put({Key(index, 0, ip): Entry(7, OWNER, True, True) for ip in (SLEEPER4, SLEEPER6)})
    path.watch_cards({OWNER: 7})
    for frame in (question(), solicitation(), arp.request(OWNER, bytes(4), ASKER4)):
        cable.send(frame)
        assert received(raw) == [frame.ljust(60, b"\0")]
    cable.send(question(bytes((198, 18, 0, 77))))
    assert nothing_more(raw)
    path.remove([Key(index, 0, SLEEPER4)])
    path.forget_cards([OWNER])
    cable.send(question())
    assert nothing_more(raw)
    cable.send(solicitation())
    assert len(received(raw)) == 1


def test_while_many_come_nothing_is_missed_and_then_the_filter_is_made(cable: Wire, attached):
    path, raw, index = attached

    async def many() -> None:
        for number in range(500):
            ip = bytes((198, 18, 9, number)) if number < 256 else _six(number)
            path.put({Key(index, 0, ip): Entry(7, OWNER)})
        assert path.counters() == {"interfaces with a plain filter": 1}
        cable.send(question(bytes((198, 18, 9, 200))))
        assert len(received(raw)) == 1
        await asyncio.sleep(1.5)

    asyncio.run(many())
    assert path.counters() == {"interfaces with a plain filter": 0}
    cable.send(question(bytes((198, 18, 9, 200))))
    assert len(received(raw)) == 1
    cable.send(question(bytes((198, 18, 8, 200))))
    assert nothing_more(raw)


def test_more_than_fit_leave_a_plain_filter(cable: Wire, attached):
    path, raw, index = attached
    path.put({Key(index, 0, b"\x0a\x00" + number.to_bytes(2, "big")): Entry(7, OWNER) for number in range(5000)})
    assert path.counters() == {"interfaces with a plain filter": 1}
    cable.send(question(bytes((198, 18, 0, 77)), mac=ASKER))
    assert len(received(raw)) == 1


def test_a_low_limit_of_option_memory_leaves_a_plain_filter_too(cable: Wire, attached):
    path, raw, index = attached
    limit = run("ip", "netns", "exec", cable.here, "sysctl", "-qw", "net.core.optmem_max=20480", check=False)
    if limit.returncode:
        pytest.skip("option memory is the same for all namespaces before Linux 6.8")

    def entries(count: int) -> dict[Key, Entry]:
        return {Key(index, 0, b"\x0a\x00" + number.to_bytes(2, "big")): Entry(7, OWNER) for number in range(count)}

    path.put(entries(600))  # two such do not fit at a time
    path.put(entries(610))
    assert path.counters() == {"interfaces with a plain filter": 0}
    cable.send(question(b"\x0a\x00\x00\x07"))
    assert len(received(raw)) == 1
    cable.send(question())
    assert nothing_more(raw)
    path.put(entries(1500))
    assert path.counters() == {"interfaces with a plain filter": 1}
    cable.send(question(b"\x0a\x00\x00\x07"))
    assert len(received(raw)) == 1
    run("ip", "netns", "exec", cable.here, "sysctl", "-qw", "net.core.optmem_max=131072")


def test_echo_requests_pass_where_a_host_wants_them_answered(cable: Wire, attached):
    path, raw, index = attached
    scapy = pytest.importorskip("scapy.all")
    card = scapy.Ether(src=ASKER.hex(":"), dst=OURS.hex(":"))
    ping4 = bytes(card / scapy.IP(src="198.18.0.9", dst="198.18.0.3") / scapy.ICMP() / b"0123456789abcdefghij")
    ping6 = bytes(card / scapy.IPv6(src="fd4c::9", dst="fd4c::3") / scapy.ICMPv6EchoRequest())
    keys = [Key(index, 0, SLEEPER4), Key(index, 0, SLEEPER6)]
    path.put(dict.fromkeys(keys, Entry(7, OWNER, True)))
    for ping in (ping4, ping6):
        cable.send(ping)
    assert nothing_more(raw)
    path.put(dict.fromkeys(keys, Entry(7, OWNER, True, pings=True)))
    for ping in (ping4, ping6):
        cable.send(ping)
        assert received(raw) == [ping]
    others = [Key(index, 0, b"\x0a\x00" + number.to_bytes(2, "big")) for number in range(5000)]
    path.put(dict.fromkeys(others, Entry(8, OWNER)))
    for ping in (ping4, ping6):
        cable.send(ping)
        assert received(raw) == [ping]


def _six(number: int) -> bytes:
    return SLEEPER6[:14] + number.to_bytes(2, "big")
