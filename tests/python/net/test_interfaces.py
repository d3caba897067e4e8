# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import ipaddress

from powernap.net.interfaces import Interface, read, segment_of


def interface(name: str, *networks: str) -> Interface:
    return Interface(name, 1, bytes(6), networks=tuple(ipaddress.ip_interface(text) for text in networks))


ETH0 = interface("eth0", "198.18.0.1/16", "fd4c::1/64", "fe80::1/64")
ETH1 = interface("eth1", "198.18.7.1/24")


def where(text: str) -> str | None:
    found = segment_of(ipaddress.ip_address(text).packed, (ETH0, ETH1))
    return found.name if found else None


def test_an_address_lies_where_the_longest_prefix_is() -> None:
    assert where("198.18.0.3") == "eth0"
    assert where("198.18.7.3") == "eth1"
    assert where("fd4c::3") == "eth0"


def test_an_address_of_no_segment_lies_nowhere() -> None:
    assert where("10.0.0.3") is None
    assert where("fd4d::3") is None


def test_a_link_local_address_says_nothing_about_its_segment() -> None:
    assert where("fe80::3") is None


def test_own_addresses_are_told_apart() -> None:
    assert ETH0.ipv4 == bytes([198, 18, 0, 1])
    assert ETH0.link_local == ipaddress.ip_address("fe80::1").packed
    assert [len(address) for address in ETH0.own(16)] == [16, 16]


def test_this_machine_has_a_loopback_interface_which_is_no_ethernet() -> None:
    loopback = read()["lo"]
    assert loopback.index == 1
    assert not loopback.ethernet
