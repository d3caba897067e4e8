# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host says before it sleeps, and where it lies. Refusals, field by field: tests/net/test_api.py."""

from __future__ import annotations

import contextlib
import ipaddress
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from powernap.net.interfaces import Interface
from powernap.wake.model import Address
from powernap.wake.registration import BadBody, NoSegment, locate, parse, resolve

MAC, MAC2 = bytes.fromhex("024c00000003"), bytes.fromhex("024c00000013")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)


def interface(name: str, *networks: str) -> Interface:
    return Interface(name, 1, bytes(6), networks=tuple(ipaddress.ip_interface(text) for text in networks))


HERE = (interface("eth0", "198.18.0.1/16", "fd4c::1/64", "fe80::1/64"), interface("eth1", "10.1.0.1/24"))


def body(**changes: Any) -> bytes:
    card = {"name": "eth0", "mac": "02:4C:00:00:00:03", "addresses": ["198.18.0.3/16", "fd4c::3/64", "fe80::3/64"]}
    content = {"action": "suspend", "interfaces": [card], "tcp_ports": "80,22-23", "udp_ports": "", **changes}
    return json.dumps(content).encode()


def ip(text: str) -> bytes:
    return ipaddress.ip_address(text).packed


def test_a_registration_lies_where_its_addresses_do() -> None:
    sleep = resolve(parse(body(lease_seconds=1000)), HERE, now=50.0)
    assert sleep.addresses == tuple(Address("eth0", ip(text), MAC) for text in ("198.18.0.3", "fd4c::3", "fe80::3"))
    assert (sleep.macs, sleep.tcp, sleep.udp) == ((MAC,), ((22, 23), (80, 80)), ())
    assert (sleep.wake_by, sleep.lease_ends) == (950.0, 1050.0)


def test_the_lease_goes_on_over_a_restart_and_never_below_nothing() -> None:
    read = parse(body(lease_seconds=1000))
    assert resolve(read, HERE, now=50.0, slept=400).lease_ends == 650.0
    late = resolve(read, HERE, now=50.0, slept=5000)
    assert (late.wake_by, late.lease_ends) == (50.0, 50.0)


def test_each_card_lies_on_its_own_segment() -> None:
    cards = [
        {"name": "eth0", "mac": MAC.hex(":"), "addresses": ["198.18.0.3/16", "fe80::3/64"]},
        {"name": "eth1", "mac": MAC2.hex(":"), "addresses": ["10.1.0.3/24", "fe80::13/64", "172.16.0.1/24"]},
    ]
    sleep = resolve(parse(body(interfaces=cards)), HERE, 0.0)
    assert set(sleep.addresses) == {
        Address("eth0", ip("198.18.0.3"), MAC),
        Address("eth0", ip("fe80::3"), MAC),
        Address("eth1", ip("10.1.0.3"), MAC2),
        Address("eth1", ip("fe80::13"), MAC2),
    }


def test_link_local_addresses_alone_lie_nowhere() -> None:
    card = {"name": "eth0", "mac": MAC.hex(":"), "addresses": ["fe80::3/64"]}
    with pytest.raises(NoSegment, match="fe80::3"):
        resolve(parse(body(interfaces=[card])), HERE, 0.0)


def test_addresses_that_an_administrator_gave_belong_to_the_only_card() -> None:
    assert locate(("198.18.0.3", "172.16.0.1"), (MAC,), HERE) == (Address("eth0", ip("198.18.0.3"), MAC),)
    assert locate(("198.18.0.3",), (MAC, MAC2), HERE) == (Address("eth0", ip("198.18.0.3"), bytes(6)),)


@given(st.dictionaries(st.sampled_from(("action", "interfaces", "tcp_ports", "lease_seconds", "password")), JSON))
def test_whatever_is_sent_is_understood_or_refused(changes: dict[str, Any]) -> None:
    with contextlib.suppress(BadBody):
        parse(body(**changes))


@given(st.binary(max_size=100))
def test_noise_is_refused(noise: bytes) -> None:
    with pytest.raises(BadBody):
        parse(noise)


@given(st.lists(st.dictionaries(st.sampled_from(("name", "mac", "addresses")), JSON), max_size=3))
def test_whatever_cards_are_sent_are_understood_or_refused(cards: list[Any]) -> None:
    with contextlib.suppress(BadBody):
        parse(body(interfaces=cards))
