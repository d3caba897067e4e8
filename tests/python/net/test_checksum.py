# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from powernap.net.checksum import checksum, complete, is_valid

scapy = pytest.importorskip("scapy.all")


@given(st.binary(max_size=120))
def test_it_is_the_sum_of_rfc_1071(data: bytes) -> None:
    padded = data + b"\0" * (len(data) % 2)
    total = sum(int.from_bytes(padded[at : at + 2], "big") for at in range(0, len(padded), 2))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    assert checksum(data) == 0xFFFF - total


def test_a_sum_of_all_ones_is_valid() -> None:
    assert checksum(b"\xff\xff") == 0
    assert is_valid(b"\xff\xff")
    assert not is_valid(b"\0\0")


@given(st.binary(max_size=60), st.sampled_from((4, 6)), st.booleans())
def test_a_missing_checksum_is_completed_as_scapy_would(payload: bytes, version: int, tcp: bool) -> None:
    layer = scapy.IP(src="198.18.0.9", dst="198.18.0.3") if version == 4 else scapy.IPv6(src="fd4c::9", dst="fd4c::3")
    transport = scapy.TCP(sport=5, dport=80, flags="S") if tcp else scapy.UDP(sport=5, dport=80)
    right = bytes(scapy.Ether(src="02:4c:00:00:00:09", dst="02:4c:00:00:00:01") / layer / transport / payload)
    at = 14 + (20 if version == 4 else 40) + (16 if tcp else 6)
    assert complete(right[:at] + b"\x12\x34" + right[at + 2 :]) == right


def test_other_frames_stay_as_they_are() -> None:
    for frame in (b"", b"\0" * 60, bytes(scapy.Ether() / scapy.ARP())):
        assert complete(frame) == frame
