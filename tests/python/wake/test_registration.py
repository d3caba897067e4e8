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
from powernap.wake.registration import ACTIONS, BadBody, NoSegment, locate, parse, parse_address, resolve

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
    content = {"action": "suspend", "interfaces": [card], "tcp_ports": "80,22-23", "udp_ports": ""}
    content |= {"lease_seconds": 86400, **changes}
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


@pytest.mark.parametrize("field", ["action", "interfaces", "tcp_ports", "udp_ports", "lease_seconds"])
def test_what_is_missing_is_not_guessed_but_refused_by_its_name(field: str) -> None:
    content = json.loads(body())
    del content[field]
    with pytest.raises(BadBody, match=rf"^{field}: "):
        parse(json.dumps(content))


@pytest.mark.parametrize("field", ["action", "interfaces", "tcp_ports", "udp_ports", "lease_seconds"])
def test_nothing_in_particular_is_refused_too(field: str) -> None:
    with pytest.raises(BadBody, match=rf"^{field}: "):
        parse(body(**{field: None}))


@pytest.mark.parametrize("action", ACTIONS)
def test_every_way_to_sleep_can_be_registered(action: str) -> None:
    assert parse(body(action=action)).action == action


def test_a_host_says_whether_it_is_to_be_answered_for_and_whether_it_was_of_use() -> None:
    read = parse(body(answer_ping=True, used=False))
    assert (read.pings, read.used) == (True, False)
    assert resolve(read, HERE, 0.0).pings
    silent = parse(body())
    assert (silent.pings, silent.used) == (False, None)
    for field in ("answer_ping", "used"):
        with pytest.raises(BadBody, match=rf"^{field}: 1 is neither true nor false"):
            parse(body(**{field: 1}))


@pytest.mark.parametrize(
    "address", ["224.0.0.1/4", "127.0.0.1/8", "0.0.0.0/0", "255.255.255.255/32", "ff02::1", "::1", "::"]
)
def test_an_address_that_no_host_has_is_refused(address: str) -> None:
    card = {"name": "eth0", "mac": MAC.hex(":"), "addresses": ["198.18.0.3/16", address]}
    with pytest.raises(BadBody, match=r"^interfaces\[0\]\.addresses: .* is no host's own address"):
        parse(body(interfaces=[card]))


@pytest.mark.parametrize(
    "text",
    [
        *("198.18.0.3", "198.18.0.3/16", "198.18.0.3/255.255.0.0", "198.18.0.3/0.0.255.255", "fd4c::3", "fd4c::3/64"),
        *("198.18.0.3/33", "198.18.0.3/", "198.18.0.3/-1", "198.18.0.3/+8", "198.18.0.3/\u0663", "198.18.0.3/8/8"),
        *("198.18.0.03", "198.18.0", "fd4c::3/129", "fd4c::3/64.0", "/16", "", " fd4c::3", "198.18.0.3/255.0.255.0"),
    ],
)
def test_an_address_is_read_as_the_standard_library_reads_one_with_its_prefix(text: str) -> None:
    try:
        wanted = ipaddress.ip_interface(text).ip
    except ValueError:
        with pytest.raises(BadBody, match="is no IP address"):
            parse_address(text, "addresses")
    else:
        assert parse_address(text, "addresses") == wanted


@pytest.mark.parametrize("address", ["198.18.0.0/16", "198.18.255.255/16", "10.1.0.255/8"])
def test_the_address_of_a_whole_network_here_is_refused(address: str) -> None:
    card = {"name": "eth0", "mac": MAC.hex(":"), "addresses": ["198.18.0.3/16", address]}
    with pytest.raises(NoSegment, match="stands for a whole network"):
        resolve(parse(body(interfaces=[card])), HERE, 0.0)


@given(
    st.dictionaries(st.sampled_from(("action", "interfaces", "tcp_ports", "lease_seconds", "password", "used")), JSON)
)
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
