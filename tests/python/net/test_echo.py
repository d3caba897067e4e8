# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from powernap.net.echo import reply

scapy = pytest.importorskip("scapy.all")
DESK, SERVER = "02:4c:00:00:00:09", "02:4c:00:00:00:01"
CARD = bytes.fromhex("024c00000001")


@given(st.binary(max_size=80), st.integers(0, 0xFFFF), st.integers(0, 0xFFFF))
def test_an_ipv4_request_is_answered_as_its_owner_would(data: bytes, number: int, sequence: int) -> None:
    ether = scapy.Ether(src=DESK, dst=SERVER)
    request = ether / scapy.IP(src="198.18.0.9", dst="198.18.0.3") / scapy.ICMP(id=number, seq=sequence) / data
    answer = scapy.IP(src="198.18.0.3", dst="198.18.0.9", id=0) / scapy.ICMP(type=0, id=number, seq=sequence) / data
    padded = bytes(request).ljust(60, b"\0")
    assert reply(padded, CARD) == bytes(scapy.Ether(src=SERVER, dst=DESK) / answer)


@given(st.binary(max_size=80), st.integers(0, 0xFFFF))
def test_an_ipv6_request_is_answered_as_its_owner_would(data: bytes, number: int) -> None:
    request = scapy.Ether(src=DESK, dst=SERVER) / scapy.IPv6(src="fd4c::9", dst="fd4c::3")
    answer = scapy.Ether(src=SERVER, dst=DESK) / scapy.IPv6(src="fd4c::3", dst="fd4c::9")
    asked = request / scapy.ICMPv6EchoRequest(id=number, data=data)
    assert reply(bytes(asked), CARD) == bytes(answer / scapy.ICMPv6EchoReply(id=number, data=data))


@given(st.binary(max_size=120), st.sampled_from((b"\x08\x00", b"\x86\xdd", b"\x08\x06")))
def test_whatever_comes_it_does_not_fail(rest: bytes, kind: bytes) -> None:
    reply(bytes(12) + kind + rest, CARD)
    reply(rest, CARD)


def test_only_whole_requests_are_answered() -> None:
    ether = scapy.Ether(src=DESK, dst=SERVER)
    ip = scapy.IP(src="198.18.0.9", dst="198.18.0.3")
    whole = bytes(ether / ip / scapy.ICMP() / b"data")
    assert reply(whole, CARD)
    assert reply(whole[:-1], CARD) is None
    assert reply(bytes(ether / ip / scapy.ICMP(type=0) / b"data"), CARD) is None
    assert reply(bytes(ether / ip / scapy.UDP(sport=8, dport=7) / b"data"), CARD) is None
    ip.flags = "MF"
    assert reply(bytes(ether / ip / scapy.ICMP() / b"data"), CARD) is None
