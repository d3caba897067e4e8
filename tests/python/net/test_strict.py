# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever arrives, it is read or dropped with a reason: never an exception, never a guess."""

from __future__ import annotations

import ipaddress
import struct

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from powernap.net import arp, checksum, ethernet, frames, ip, magic, ndp
from powernap.net.frames import Dropped

MAC, OTHER = bytes.fromhex("024c00000001"), bytes.fromhex("024c00000009")
FOUR, SIX = bytes([198, 18, 0, 3]), bytes.fromhex("fd4c" + "00" * 13 + "03")
PEER4, PEER6 = bytes([198, 18, 0, 9]), bytes.fromhex("fd4c" + "00" * 13 + "09")
GOOD = (
    arp.request(OTHER, FOUR, FOUR),
    arp.answer(MAC, FOUR, OTHER, FOUR),
    ndp.solicitation(OTHER, SIX, SIX),
    ndp.answer(MAC, SIX, SIX, OTHER, SIX),
    magic.udp_frame(b"x" * 102, MAC, FOUR),
)


def tcp(flags: int = ip.SYN, version: int = 4, header: int = 5, payload: bytes = b"") -> bytes:
    segment = struct.pack("!HHIIBBHHH", 50000, 80, 1, 0, header << 4, flags, 1000, 0, 0) + payload
    if version == 6:
        head = struct.pack("!IHBB", 6 << 28, len(segment), 6, 64) + PEER6 + SIX
        return ethernet.header(MAC, OTHER, ethernet.IPV6) + head + segment
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(segment), 0, 0, 64, 6, 0) + PEER4 + FOUR
    head = head[:10] + struct.pack("!H", checksum.checksum(head)) + head[12:]
    return ethernet.header(MAC, OTHER, ethernet.IPV4) + head + segment


@given(st.binary(max_size=200), st.sampled_from((0, 0, 7)))
@example(b"", 0)
def test_noise_is_never_an_error(noise: bytes, vlan: int) -> None:
    frames.parse(noise, vlan)
    checksum.complete(noise)


@given(st.data())
def test_a_damaged_frame_is_never_an_error(data: st.DataObject) -> None:
    frame = bytearray(data.draw(st.sampled_from((*GOOD, tcp(), tcp(version=6)))))
    for _ in range(data.draw(st.integers(1, 4))):
        frame[data.draw(st.integers(0, len(frame) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(frame[: data.draw(st.integers(0, len(frame)))])
    frames.parse(cut)
    checksum.complete(cut)


@pytest.mark.parametrize("frame", [*GOOD, tcp(), tcp(version=6)])
def test_every_truncation_is_dropped(frame: bytes) -> None:
    assert not isinstance(frames.parse(frame), Dropped)
    for length in range(len(frame)):
        assert isinstance(frames.parse(frame[:length]), Dropped), length


def test_a_datagram_that_claims_to_be_longer_than_its_packet_is_dropped() -> None:
    frame = bytearray(magic.udp_frame(b"x" * 102, MAC, FOUR)) + bytes(18)
    assert isinstance(frames.parse(bytes(frame)), ip.Packet)
    frame[38:40] = struct.pack("!H", 8 + 103)
    assert frames.parse(bytes(frame)) == Dropped("bad ip")


def test_vlan_tagged_frames_belong_to_another_interface() -> None:
    frame = arp.request(OTHER, FOUR, FOUR)
    tagged = frame[:12] + b"\x81\x00\x00\x07" + frame[12:]
    assert frames.parse(tagged) == Dropped("vlan")
    assert frames.parse(frame, vlan=7) == Dropped("vlan")


def test_a_group_address_sends_nothing() -> None:
    frame = arp.request(OTHER, FOUR, FOUR)
    assert frames.parse(frame[:6] + b"\xff" * 6 + frame[12:]) == Dropped("forged")
    forged = arp.Arp(OTHER, ethernet.BROADCAST, arp.REQUEST, b"\x01" + bytes(5), FOUR, ethernet.ZERO, FOUR)
    assert frames.parse(forged.to_bytes()) == Dropped("bad arp")


def test_an_oversized_frame_is_dropped() -> None:
    assert frames.parse(tcp() + bytes(frames.MAXIMUM)) == Dropped("oversized")


def right(frame: bytes, **changes: int) -> bytes:
    """An IPv4 frame with some bytes of its header changed (named by their place), and a right checksum again."""
    made = bytearray(frame)
    for at, value in changes.items():
        made[int(at[1:])] = value
    end = 14 + (made[14] & 15) * 4
    made[24:26] = b"\0\0"
    made[24:26] = struct.pack("!H", checksum.checksum(bytes(made[14:end])))
    return bytes(made)


@pytest.mark.parametrize(("first", "second"), [(0x20, 0), (0, 1), (0x20, 1), (0x1F, 0xFF)])
def test_fragments_are_dropped(first: int, second: int) -> None:
    assert frames.parse(right(tcp(), _20=first, _21=second)) == Dropped("fragment")


def test_the_first_fragment_of_a_datagram_is_read_as_far_as_it_goes() -> None:
    datagram = tcp()[:34] + struct.pack("!HHHH", 50000, 53, 3000, 0) + b"x" * 12
    packet = frames.parse(right(datagram, _20=0x20, _23=17))
    assert isinstance(packet, ip.Packet) and packet.first
    assert (packet.source_port, packet.port, packet.payload) == (50000, 53, b"x" * 12)
    assert frames.parse(right(datagram, _23=17)) == Dropped("bad ip"), "whole, it would have to be all there"
    short = datagram[:38] + struct.pack("!H", 20) + datagram[40:]
    assert frames.parse(right(short, _20=0x20, _23=17)) == Dropped("bad ip"), "nothing is left for other fragments"
    assert frames.parse(right(datagram, _20=0x20, _21=1, _23=17)) == Dropped("fragment")


def test_a_frame_that_may_not_be_fragmented_is_none() -> None:
    assert isinstance(frames.parse(right(tcp(), _20=0x40)), ip.Packet)


def extended(header: int, following: int = 6, inner: bytes = b"") -> bytes:
    """A SYN over IPv6 behind one extension header of eight bytes, or behind `inner` too."""
    plain = tcp(version=6)
    more = bytes((following, 0)) + bytes(6) + inner
    length = struct.pack("!H", len(plain) - 54 + len(more))
    return plain[:18] + length + bytes((header,)) + plain[21:54] + more + plain[54:]


@pytest.mark.parametrize("header", [0, 43, 50, 51, 60, 135, 139, 140])
def test_a_syn_behind_an_extension_header_is_dropped_for_that(header: int) -> None:
    assert frames.parse(extended(header)) == Dropped("extension headers")
    assert frames.parse(extended(header, 60, bytes((6, 0)) + bytes(6))) == Dropped("extension headers")


@pytest.mark.parametrize("field", [0, 1, 8, 9])
def test_a_fragment_of_tcp_over_ipv6_is_dropped_for_that(field: int) -> None:
    frame = extended(44)
    assert frames.parse(frame[:56] + struct.pack("!H", field) + frame[58:]) == Dropped("fragment")


def fragment6(field: int, length: int, following: int = 17) -> bytes:
    """A piece of a datagram over IPv6 with 12 bytes of its payload; `length`: what UDP says of the whole."""
    body = struct.pack("!BxHI", following, field, 1) + struct.pack("!HHHH", 50000, 53, length, 0) + b"x" * 12
    plain = tcp(version=6)
    return plain[:18] + struct.pack("!HB", len(body), 44) + plain[21:54] + body


def test_the_first_fragment_of_a_datagram_over_ipv6_is_read_as_far_as_it_goes() -> None:
    packet = frames.parse(fragment6(1, 3000))
    assert isinstance(packet, ip.Packet) and packet.first
    assert (packet.source_port, packet.port, packet.payload) == (50000, 53, b"x" * 12)
    assert frames.parse(fragment6(1, 20)) == Dropped("bad ip"), "nothing is left for other fragments"
    for other in (fragment6(0, 20), fragment6(9, 3000), fragment6(8, 3000), fragment6(1, 3000, 60)):
        assert frames.parse(other) == Dropped("fragment")
    assert frames.parse(fragment6(1, 3000)[:58]) == Dropped("bad ip")


def test_options_of_ipv4_are_passed_over() -> None:
    plain = tcp()
    options = b"\x94\x04\x00\x00" + b"\x01" * 3 + b"\x00"  # router alert, padding
    length = 20 + len(options) + 20
    framed = plain[:34] + options + plain[34:]
    read = frames.parse(right(framed, _14=0x47, _17=length))
    assert isinstance(read, ip.Packet)
    assert (read.source_port, read.port, read.opens, read.payload) == (50000, 80, True, b"")


@pytest.mark.parametrize("source", ["127.0.0.1", "0.0.0.0", "224.0.0.1", "255.255.255.255", "198.18.0.3"])
def test_a_source_that_nobody_can_have_is_forged(source: str) -> None:
    changes = {f"_{26 + number}": value for number, value in enumerate(ipaddress.ip_address(source).packed)}
    assert frames.parse(right(tcp(), **changes)) == Dropped("forged")


@pytest.mark.parametrize("source", ["::1", "::", "ff02::1", "fd4c::3"])
def test_a_source_that_nobody_can_have_is_forged_in_ipv6(source: str) -> None:
    plain = tcp(version=6)
    assert frames.parse(plain[:22] + ipaddress.ip_address(source).packed + plain[38:]) == Dropped("forged")


def test_a_card_without_an_address_sends_nothing() -> None:
    assert frames.parse(tcp()[:6] + bytes(6) + tcp()[12:]) == Dropped("forged")
    nobody = arp.Arp(OTHER, ethernet.BROADCAST, arp.REQUEST, bytes(6), FOUR, ethernet.ZERO, FOUR)
    assert frames.parse(nobody.to_bytes()) == Dropped("bad arp")


def echo_request(version: int = 4, kind: int | None = None, data: bytes = b"ping") -> bytes:
    body = bytes((kind if kind is not None else (8 if version == 4 else 128), 0, 0, 0, 1, 2, 0, 1)) + data
    if version == 6:
        head = struct.pack("!IHBB", 6 << 28, len(body), 58, 64) + PEER6 + SIX
        return ethernet.header(MAC, OTHER, ethernet.IPV6) + head + body
    plain = tcp()
    return right(plain[:34] + body, _17=20 + len(body), _23=1)


@pytest.mark.parametrize("version", [4, 6])
def test_an_echo_request_is_read_and_other_icmp_is_not(version: int) -> None:
    addresses = (PEER4, FOUR) if version == 4 else (PEER6, SIX)
    assert frames.parse(echo_request(version)) == ip.Echo(OTHER, MAC, *addresses)
    assert frames.parse(echo_request(version, kind=0)) == Dropped("other")
    assert frames.parse(echo_request(version, kind=3)) == Dropped("other")
    whole = echo_request(version, data=b"")
    assert isinstance(frames.parse(whole[:-1]), Dropped)


def test_a_neighbour_whose_card_is_a_group_is_not_believed() -> None:
    good = bytearray(ndp.solicitation(OTHER, SIX, SIX))
    good[80] |= 1
    good[56:58] = b"\0\0"
    pseudo = checksum.pseudo_header(bytes(good[22:38]), bytes(good[38:54]), 58, len(good) - 54)
    good[56:58] = struct.pack("!H", checksum.checksum(pseudo + bytes(good[54:])))
    assert frames.parse(bytes(good)) == Dropped("bad neighbour discovery")


@pytest.mark.parametrize(
    ("at", "value"),
    [
        (14, 0x55),  # version
        (14, 0x44),  # header shorter than a header
        (14, 0x4F),  # header longer than the packet
        (16, 0xFF),  # total length beyond the frame
        (25, 0x01),  # checksum
        (46, 0x40),  # TCP header shorter than a header
        (46, 0xF0),  # TCP header longer than the packet
    ],
)
def test_an_ipv4_header_that_lies_is_dropped(at: int, value: int) -> None:
    frame = bytearray(tcp())
    frame[at] = value
    assert frames.parse(bytes(frame)) == Dropped("bad ip")


def test_a_neighbour_solicitation_is_believed_only_as_rfc_4861_says() -> None:
    good = ndp.solicitation(OTHER, SIX, SIX)

    def changed(at: int, value: int) -> object:
        frame = bytearray(good)
        frame[at] = value
        frame[56:58] = b"\0\0"
        body = bytes(frame[54:])
        pseudo = checksum.pseudo_header(bytes(frame[22:38]), bytes(frame[38:54]), 58, len(body))
        frame[56:58] = struct.pack("!H", checksum.checksum(pseudo + body))
        return frames.parse(bytes(frame))

    bad = Dropped("bad neighbour discovery")
    assert changed(60, 1) == frames.parse(good)  # a reserved byte: fine
    assert changed(21, 64) == bad  # hop limit: it came through a router
    assert changed(55, 1) == bad  # code
    assert changed(62, 0xFF) == bad  # a multicast target
    assert changed(79, 0) == bad  # an option without length
    assert changed(79, 2) == bad  # an option past the end
    assert frames.parse(good[:-1] + b"\x00") == bad  # checksum


def test_duplicate_address_detection_names_no_link_address() -> None:
    good = ndp.solicitation(OTHER, ndp.UNSPECIFIED, SIX)
    assert isinstance(frames.parse(good), ndp.Solicitation)
    with_option = ndp.solicitation(OTHER, b"\1" + bytes(15), SIX)
    frame = bytearray(with_option)
    frame[22:38] = bytes(16)
    frame[56:58] = b"\0\0"
    body = bytes(frame[54:])
    pseudo = checksum.pseudo_header(bytes(16), bytes(frame[38:54]), 58, len(body))
    frame[56:58] = struct.pack("!H", checksum.checksum(pseudo + body))
    assert frames.parse(bytes(frame)) == Dropped("bad neighbour discovery")
