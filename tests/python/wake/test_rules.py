# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose demand may wake a host."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.python.wake.play import DESK, DESK4, DESK6

from powernap.config.errors import ConfigError
from powernap.config.wake import load_wake
from powernap.shared.errors import BadValue
from powernap.shared.mac import format_mac
from powernap.shared.rules import KINDS, parse_rule
from powernap.wake.demand import MONITORS
from powernap.wake.model import Visitor
from powernap.wake.rules import Rules, matches

SYN = Visitor("TCP SYN", DESK, DESK4, 50000, 22)
SYN6 = Visitor("TCP SYN", DESK, DESK6, 50000, 22)
DATA = Visitor("TCP data", DESK, DESK4, 50000, 22)
DATAGRAM = Visitor("UDP", DESK, DESK4, 50000, 5050)
QUESTION = Visitor("ARP", DESK, DESK4)


@pytest.mark.parametrize(
    ("rule", "matching"),
    [
        ("198.18.0.9", [SYN, DATA, DATAGRAM, QUESTION]),
        ("198.18.0.8", []),
        ("198.18.0.0/15", [SYN, DATA, DATAGRAM, QUESTION]),
        ("fd4c::/64", [SYN6]),
        ("::/0", [SYN6]),
        ("0.0.0.0/0", [SYN, DATA, DATAGRAM, QUESTION]),
        (format_mac(DESK), [SYN, SYN6, DATA, DATAGRAM, QUESTION]),
        ("02:4c:00:00:00:08", []),
        ("tcp/22", [SYN, SYN6, DATA]),
        ("udp/22", []),
        ("udp/5000-5100", [DATAGRAM]),
        ("udp/1-5049,5051-65535", []),
        ("198.18.0.9 tcp/22", [SYN, DATA]),
        ("198.18.0.9 tcp/23", []),
        (f"{format_mac(DESK)} udp/5050", [DATAGRAM]),
        ("arp", [QUESTION]),
        ("neighbour_solicitation", []),
        ("tcp_syn", [SYN, SYN6]),
        ("ssh_data", [DATA]),
        ("198.18.0.9 arp", [QUESTION]),
        ("198.18.0.8 arp", []),
        ("198.18.0.0/15 UDP", [DATAGRAM]),
    ],
)
def test_a_rule_matches_what_it_says_and_nothing_else(rule: str, matching: list[Visitor]) -> None:
    visitors = [SYN, SYN6, DATA, DATAGRAM, QUESTION]
    assert [visitor for visitor in visitors if matches(parse_rule(rule), visitor)] == matching


def test_without_rules_everybody_may() -> None:
    assert not Rules()
    assert Rules().refusal(SYN) == ""


def test_denied_is_denied_whatever_is_allowed_and_the_rule_is_named() -> None:
    rules = Rules.of(["198.18.0.0/16"], ["198.18.0.9"])
    assert rules.refusal(SYN) == 'denied by the rule "198.18.0.9"'
    assert rules.refusal(SYN._replace(ip=bytes([198, 18, 0, 10]))) == ""


def test_where_anything_is_allowed_everything_else_is_not() -> None:
    rules = Rules.of(["tcp/22"], [])
    assert rules
    assert rules.refusal(SYN) == ""
    assert rules.refusal(DATAGRAM) == rules.refusal(QUESTION) == "not among what is allowed"


def test_denials_add_up_and_the_nearest_list_of_what_is_allowed_counts() -> None:
    everywhere = Rules.of(["10.0.0.0/8"], ["udp/5050"])
    group = Rules.of(["198.18.0.0/16"], []).within(everywhere)
    assert group.refusal(SYN) == ""
    assert group.refusal(DATAGRAM) == 'denied by the rule "udp/5050"'
    assert Rules.of([], ["tcp/22"]).within(everywhere).refusal(SYN) == 'denied by the rule "tcp/22"'
    assert Rules().within(everywhere) == everywhere


def test_the_configuration_names_file_key_and_remedy(tmp_path: Path) -> None:
    path = tmp_path / "powerwaked.toml"
    path.write_text('[wake]\ndeny = ["198.18.9.9/16"]\n[groups.lab]\nallow = ["ssh"]\n')
    with pytest.raises(ConfigError) as caught:
        load_wake(path)
    first, second = sorted(caught.value.problems, key=str, reverse=True)
    assert f"{path}: wake.deny: " in str(first) and "write 198.18.0.0/16" in str(first)
    assert f"{path}: groups.lab.allow: " in str(second) and '"10.0.0.0/8 tcp/22"' in str(second)


ADDRESSES = st.ip_addresses().map(lambda ip: ip.packed)
SOURCES = st.one_of(
    ADDRESSES.map(lambda raw: str(ipaddress.ip_address(raw))),
    st.ip_addresses(v=4).map(lambda ip: str(ipaddress.ip_network(f"{ip}/12", strict=False))),
    st.just(format_mac(DESK)),
    st.just(""),
)
PORTS = st.builds(
    lambda protocol, first, more: f"{protocol}/{first}-{min(65535, first + more)}",
    st.sampled_from(("tcp", "udp")),
    st.integers(1, 65535),
    st.integers(0, 100),
)
WHAT = PORTS | st.sampled_from(KINDS) | st.just("")
TEXTS = st.builds(lambda source, what: f"{source} {what}".strip(), SOURCES, WHAT).filter(bool)


def test_the_kinds_are_those_of_the_monitors() -> None:
    assert tuple(monitor.name for monitor in MONITORS) == KINDS


@given(TEXTS)
def test_a_rule_reads_back_as_it_is_written(text: str) -> None:
    rule = parse_rule(text)
    assert parse_rule(str(rule)) == rule


@given(st.text(max_size=30))
def test_whatever_is_written_is_a_rule_or_is_refused_in_one_sentence(text: str) -> None:
    sentence = ""
    try:
        parse_rule(text)
    except BadValue as error:
        sentence = str(error)
    assert "\n" not in sentence
