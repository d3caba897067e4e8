# SPDX-License-Identifier: GPL-3.0-or-later
"""Frames, built by scapy and by powerwaked's own code, to what is seen of them."""

from __future__ import annotations

import socket

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("scapy")

from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6EchoRequest, ICMPv6ND_NS, IPv6
from scapy.layers.l2 import ARP, Dot1Q, Ether
from tests.python.trace.frames import (
    ALL,
    DESK,
    DESK_IP,
    DESK_IP6,
    SERVER,
    SERVER_IP,
    WEB1,
    WEB1_IP,
    WEB1_IP6,
)

from powernap.net import arp, magic, ndp
from powernap.shared.mac import mac_bytes, magic_packet
from powernap.trace.decode import decode
from powernap.trace.seen import Kind, Seen

_SERVER, _WEB1, _DESK = mac_bytes(SERVER), mac_bytes(WEB1), mac_bytes(DESK)


def ipv4(text: str) -> bytes:
    return socket.inet_pton(socket.AF_INET, text)


def ipv6(text: str) -> bytes:
    return socket.inet_pton(socket.AF_INET6, text)


def seen(frame: bytes) -> Seen:
    return decode(frame, 1.5, "eth0")


def test_an_arp_question_its_answer_and_an_announcement() -> None:
    asked = seen(arp.request(_DESK, ipv4(DESK_IP), ipv4(WEB1_IP)))
    assert (asked.kind, asked.source, asked.target, asked.eth_source) == (Kind.QUESTION, DESK_IP, WEB1_IP, DESK)
    assert asked.to_all and (asked.time, asked.interface) == (1.5, "eth0")
    told = seen(arp.answer(_SERVER, ipv4(WEB1_IP), _DESK, ipv4(DESK_IP)))
    assert (told.kind, told.source, told.target, told.mac) == (Kind.ANSWER, DESK_IP, WEB1_IP, SERVER)
    back = seen(arp.announcement(_SERVER, _WEB1, ipv4(WEB1_IP)))
    assert (back.kind, back.target, back.mac, back.eth_source) == (Kind.ANNOUNCEMENT, WEB1_IP, WEB1, SERVER)


def test_a_probe_of_duplicate_address_detection() -> None:
    four = seen(arp.request(_DESK, arp.NO_ADDRESS, ipv4(WEB1_IP)))
    six = seen(ndp.solicitation(_DESK, ndp.UNSPECIFIED, ipv6(WEB1_IP6)))
    for probe, target in ((four, WEB1_IP), (six, WEB1_IP6)):
        assert (probe.kind, probe.source, probe.target) == (Kind.PROBE, "", target)


def test_neighbour_discovery() -> None:
    asked = seen(ndp.solicitation(_DESK, ipv6(DESK_IP6), ipv6(WEB1_IP6)))
    assert (asked.kind, asked.source, asked.target) == (Kind.QUESTION, DESK_IP6, WEB1_IP6)
    told = seen(ndp.answer(_SERVER, ipv6(WEB1_IP6), ipv6(WEB1_IP6), _DESK, ipv6(DESK_IP6)))
    assert (told.kind, told.source, told.target, told.mac) == (Kind.ANSWER, DESK_IP6, WEB1_IP6, SERVER)
    back = seen(ndp.announcement(_SERVER, ipv6(WEB1_IP6), _WEB1, ipv6(WEB1_IP6)))
    assert (back.kind, back.target, back.mac) == (Kind.ANNOUNCEMENT, WEB1_IP6, WEB1)


def test_magic_packets_by_either_way() -> None:
    payload = magic_packet(WEB1)
    by_type = seen(magic.ethernet_frame(payload, _SERVER, _WEB1))
    assert (by_type.kind, by_type.mac, by_type.protocol) == (Kind.MAGIC, WEB1, "EtherType 0x0842")
    assert not by_type.to_all and not by_type.secured
    secured = seen(magic.ethernet_frame(magic_packet(WEB1, "02:03:04:05:06:07"), _SERVER))
    assert secured.to_all and secured.secured
    by_udp = seen(magic.udp_frame(payload, _SERVER, ipv4(SERVER_IP)))
    assert (by_udp.kind, by_udp.mac, by_udp.protocol, by_udp.port) == (Kind.MAGIC, WEB1, "UDP", 9)
    behind = bytes(Ether(src=DESK, dst=ALL) / IP(dst="255.255.255.255") / UDP(dport=7) / (b"\xff\xff" + payload))
    assert seen(behind).kind is Kind.MAGIC
    tagged = payload and bytes(Ether(src=DESK, dst=ALL) / Dot1Q(vlan=7, type=0x0842)) + payload
    assert (seen(tagged).kind, seen(tagged).vlan) == (Kind.MAGIC, 7)
    almost = magic.ethernet_frame(payload[:-1] + b"\0", _SERVER)
    assert seen(almost).kind is Kind.OTHER


@pytest.mark.parametrize("ip", [IP(src=DESK_IP, dst=WEB1_IP), IPv6(src=DESK_IP6, dst=WEB1_IP6)])
def test_connections_datagrams_and_pings(ip: IP | IPv6) -> None:
    ether = Ether(src=DESK, dst=SERVER)
    opened = seen(bytes(ether / ip / TCP(sport=4711, dport=80)))
    assert (opened.kind, opened.source, opened.source_port) == (Kind.SYN, ip.src, 4711)
    assert (opened.target, opened.port) == (ip.dst, 80)
    for flags in ("SA", "A", "PA", "FA", "R"):
        assert seen(bytes(ether / ip / TCP(dport=80, flags=flags) / b"abc")).kind is Kind.SEGMENT
    sent = seen(bytes(ether / ip / UDP(sport=4711, dport=161) / b"abc"))
    assert (sent.kind, sent.port, sent.size) == (Kind.DATAGRAM, 161, 3)
    ping = ICMP() if isinstance(ip, IP) else ICMPv6EchoRequest()
    assert seen(bytes(ether / ip / ping)).kind is Kind.ECHO


def test_a_vlan_is_told() -> None:
    asked = seen(bytes(Ether(src=DESK, dst=ALL) / Dot1Q(vlan=42) / ARP(psrc=DESK_IP, pdst=WEB1_IP)))
    assert (asked.kind, asked.vlan, asked.target) == (Kind.QUESTION, 42, WEB1_IP)


_WHOLE = [
    arp.request(_DESK, ipv4(DESK_IP), ipv4(WEB1_IP)),
    ndp.solicitation(_DESK, ipv6(DESK_IP6), ipv6(WEB1_IP6)),
    magic.udp_frame(magic_packet(WEB1), _SERVER, ipv4(SERVER_IP)),
    bytes(Ether(src=DESK, dst=SERVER) / IP(src=DESK_IP, dst=WEB1_IP) / TCP(dport=80, options=[("MSS", 1460)])),
    bytes(Ether(src=DESK, dst=SERVER) / Dot1Q(vlan=1) / IPv6(src=DESK_IP6, dst=WEB1_IP6) / ICMPv6ND_NS(tgt=WEB1_IP6)),
]


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(_WHOLE), st.data())
def test_nothing_on_the_wire_ends_a_trace(whole: bytes, data: st.DataObject) -> None:
    frame = bytearray(whole[: data.draw(st.integers(0, len(whole)))])
    for at in data.draw(st.lists(st.integers(0, max(0, len(frame) - 1)), max_size=4)) if frame else ():
        frame[at] = data.draw(st.integers(0, 255))
    assert isinstance(seen(bytes(frame)).kind, Kind)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=120))
def test_noise_is_a_frame_too(frame: bytes) -> None:
    assert isinstance(seen(frame).kind, Kind)
