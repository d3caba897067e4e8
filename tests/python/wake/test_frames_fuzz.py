# SPDX-License-Identifier: GPL-3.0-or-later
"""Frames of every kind, damaged in every way: read right or dropped with a reason, and laid at nobody else's door."""

from __future__ import annotations

import struct
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.python.wake.play import DESK, DESK4, DESK6, OWNER, SERVER, SLEEP, WEB4, WEB6

from powernap.net import arp, checksum, echo, ethernet, frames, ip, ndp
from powernap.wake.demand.base import Received
from powernap.wake.demand.book import Book
from powernap.wake.demand.meaning import meaning
from powernap.wake.events import Asked, Claimed, Knock, OwnerSeen, Pinged, SelfAsked
from powernap.wake.model import Address

REASONS = {
    "truncated", "oversized", "vlan", "forged", "bad arp", "bad neighbour discovery", "bad ip", "fragment",
    "extension headers", "other",
}  # fmt: skip
MANY = settings(max_examples=3000, deadline=None, suppress_health_check=list(HealthCheck))
FILE = bytes.fromhex("024c00000004")
FILE4, FILE6 = Address("eth0", bytes([198, 18, 0, 4]), FILE), Address("eth0", WEB6.ip[:15] + b"\x04", FILE)
MACS = st.sampled_from((DESK, OWNER, FILE, SERVER))
ANY_MAC = MACS | st.sampled_from((ethernet.BROADCAST, ethernet.ZERO))
TO = st.sampled_from((SERVER, OWNER, SERVER, ethernet.BROADCAST))
IPV4 = st.sampled_from((DESK4, WEB4.ip, FILE4.ip))
TO4 = st.sampled_from((WEB4.ip, WEB4.ip, FILE4.ip, DESK4))
ANY4 = IPV4 | st.sampled_from((arp.NO_ADDRESS, b"\xff" * 4))
IPV6 = st.sampled_from((DESK6, WEB6.ip, FILE6.ip))
TO6 = st.sampled_from((WEB6.ip, WEB6.ip, FILE6.ip, ndp.solicited_node(WEB6.ip)))
ANY6 = IPV6 | st.just(ndp.UNSPECIFIED)
PORT = st.sampled_from((22, 80, 161, 5000, 81))
PAYLOAD = st.sampled_from((b"data", b"", b"\xff", b"\0" * 40))
SYN = (ip.SYN, ip.SYN, ip.ACK | ip.PSH, ip.ACK, ip.SYN | ip.ACK, ip.RST, 0xFF)


@st.composite
def tcp(draw: st.DrawFn) -> bytes:
    options = draw(st.sampled_from((b"", b"\x01\x01\x01\x00", bytes(40))))
    flags = draw(st.sampled_from(SYN))
    offset = (20 + len(options)) // 4 << 4
    head = struct.pack("!HHIIBBHHH", draw(PORT), draw(PORT), 1, 0, offset, flags, 1000, 0, 0)
    return head + options + draw(PAYLOAD)


@st.composite
def udp(draw: st.DrawFn) -> bytes:
    payload = draw(PAYLOAD)
    return struct.pack("!HHHH", draw(PORT), draw(PORT), 8 + len(payload), 0) + payload


PINGS = st.builds(lambda kind, data: bytes((kind, 0, 0, 0, 0, 1, 0, 1)) + data, st.sampled_from((8, 128, 0)), PAYLOAD)
TRANSPORT = st.one_of(
    st.tuples(st.just(6), tcp()), st.tuples(st.just(17), udp()), st.tuples(st.sampled_from((1, 58)), PINGS)
)


@st.composite
def ipv4(draw: st.DrawFn) -> bytes:
    protocol, body = draw(TRANSPORT)
    options = draw(st.sampled_from((b"", b"", b"\x94\x04\x00\x00", b"\x01" * 40)))
    fragment = draw(st.sampled_from((0, 0x4000, 0, 0x4000, 0x2000, 1)))
    if fragment == 0x2000 and protocol == 17 and draw(st.booleans()):
        body = body[:4] + b"\x10\x00" + body[6:]  # of a datagram of 4 KB the first part
    words = 5 + len(options) // 4
    head = struct.pack("!BBHHHBBH", 0x40 | words, 0, words * 4 + len(body), 1, fragment, 64, protocol, 0)
    head += draw(IPV4) + draw(TO4) + options
    head = head[:10] + struct.pack("!H", checksum.checksum(head)) + head[12:]
    return ethernet.header(draw(TO), draw(MACS), ethernet.IPV4) + head + body


@st.composite
def ipv6(draw: st.DrawFn) -> bytes:
    kind, body = draw(TRANSPORT)
    for header in draw(st.sampled_from(((), (), (), (0,), (43,), (44,), (60, 0)))):
        field = draw(st.sampled_from((0, 1, 8)))  # of a fragment: none follows, the first, a later one
        kind, body = header, struct.pack("!BxHI", kind, field, 0) + body
    head = struct.pack("!IHBB", 6 << 28, len(body), kind, 64) + draw(IPV6) + draw(TO6)
    return ethernet.header(draw(TO), draw(MACS), ethernet.IPV6) + head + body


ARPS = st.builds(
    lambda source, sha, *parts: arp.Arp(source, parts[0], parts[1], sha or source, *parts[2:]).to_bytes(),
    MACS, st.none() | ANY_MAC, TO, st.sampled_from((1, 1, 2, 3)), ANY4, ANY_MAC, TO4,
)  # fmt: skip
SOLICITATIONS = st.builds(ndp.solicitation, MACS, ANY6, TO6, st.none() | MACS)
ADVERTISEMENTS = st.builds(ndp.announcement, MACS, ANY6, ANY_MAC, TO6) | st.builds(
    ndp.answer, MACS, IPV6, TO6, MACS, ANY6
)
WHOLE = st.one_of(ARPS, SOLICITATIONS, ADVERTISEMENTS, ipv4(), ipv6())


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    frame = bytearray(draw(WHOLE))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, max(0, len(frame) - 1)))
        how = draw(st.sampled_from(("byte", "length", "cut", "grow", "tag", "repeat", "swap")))
        if how == "byte" and frame:
            frame[at] = draw(st.integers(0, 255))
        elif how == "length":  # where the headers of the usual frames have theirs
            place = draw(st.sampled_from((14, 16, 18, 20, 21, 23, 38, 46, 54, 58, 79)))
            frame[place : place + 2] = draw(st.sampled_from((b"\0\0", b"\xff\xff", b"\0\x07", b"\0\x14", b"\0\x40")))
        elif how == "cut":
            del frame[at:]
        elif how == "grow":
            frame += bytes(draw(st.sampled_from((1, 18, 1500))))
        elif how == "tag":
            frame[12:12] = draw(st.sampled_from((b"\x81\x00\x00\x07", b"\x88\xa8\x00\x00", b"\x81\x00\x00\x00")))
        elif how == "repeat":
            frame[at:at] = frame[at : at + 16]
        elif how == "swap":
            frame[6:12], frame[:6] = frame[:6], frame[6:12]
    return bytes(frame)


@pytest.fixture(scope="module")
def book() -> Book:
    made = Book()
    made.own_macs = frozenset((SERVER,))
    sleep = replace(SLEEP, tcp=((22, 22), (80, 80)), udp=((161, 161), (5000, 5000)), pings=True)
    made.enter("web1", (OWNER,), (WEB4, WEB6), sleep)
    made.enter("file1", (FILE,), (FILE4, FILE6), replace(sleep, addresses=(FILE4, FILE6)))
    return made


@given(damaged() | st.binary(max_size=120), st.sampled_from((0, 0, 0, 7)))
@MANY
def test_every_frame_is_read_or_dropped_with_a_reason(frame: bytes, vlan: int) -> None:
    read = frames.parse(frame, vlan)
    checksum.complete(frame)
    echo.reply(frame, SERVER)
    if isinstance(read, frames.Dropped):
        assert read.reason in REASONS
        return
    assert vlan == 0
    assert read.eth_source == frame[6:12] and not ethernet.is_group(read.eth_source)
    kind = int.from_bytes(frame[12:14], "big")
    if isinstance(read, arp.Arp):
        assert kind == ethernet.ARP and (read.sha, read.spa, read.tpa) == (frame[22:28], frame[28:32], frame[38:42])
    elif isinstance(read, (ndp.Solicitation, ndp.Advertisement)):
        assert kind == ethernet.IPV6 and (read.source, read.target) == (frame[22:38], frame[62:78])
        assert frame[21] == 255, "it came through a router"
        assert read.link_address is None or read.link_address in frame[78:]
    elif kind == ethernet.IPV4:
        first = isinstance(read, ip.Packet) and read.first
        assert int.from_bytes(frame[20:22], "big") & 0x3FFF == (0x2000 if first else 0), "a fragment without ports"
        whole = frame[: 14 + int.from_bytes(frame[16:18], "big")]
        _is_right(whole, read, (26, 30, 34), frame[23], 14 + (frame[14] & 15) * 4)
    else:
        assert kind == ethernet.IPV6
        first = frame[20] == ip.FRAGMENT_HEADER
        protocol, start = (frame[54], 62) if first else (frame[20], 54)
        assert not first or int.from_bytes(frame[56:58], "big") & 0xFFF9 == 1, "a fragment without ports"
        _is_right(frame[: 54 + int.from_bytes(frame[18:20], "big")], read, (22, 38, 54), protocol, start)


def _is_right(frame: bytes, read: ip.Packet | ip.Echo, places: tuple[int, int, int], protocol: int, start: int) -> None:
    source, destination, end = places
    assert (read.source, read.destination) == (frame[source:destination], frame[destination:end])
    if isinstance(read, ip.Packet):
        assert read.protocol == protocol
        assert (read.source_port, read.port) == struct.unpack_from("!HH", frame, start)
        assert read.payload in frame[start:]
        if protocol == 17:
            length = int.from_bytes(frame[start + 4 : start + 6], "big") - 8
            assert len(read.payload) < length if read.first else len(read.payload) == length
        assert not read.first or protocol == 17
        assert read.flags == (frame[start + 13] if protocol == 6 else 0)


@given(WHOLE | damaged(), st.booleans(), st.sampled_from(("eth0", "eth1")))
@MANY
def test_a_frame_concerns_only_whose_addresses_and_cards_it_names(
    book: Book, frame: bytes, outgoing: bool, segment: str
) -> None:
    own = {"web1": (WEB4, WEB6), "file1": (FILE4, FILE6)}
    card = {"web1": OWNER, "file1": FILE}
    for name, event in meaning(Received(segment, frames.parse(frame), frame, outgoing), book):
        if isinstance(event, OwnerSeen):
            assert frame[6:12] == card[name] and not outgoing
            continue
        address = event.held.address if isinstance(event, Knock) else event.address  # type: ignore[union-attr]
        assert segment == "eth0" and address in own[name] and address.ip in frame[14:]
        assert frame[6:12] != card[name], "a host wakes itself"
        if isinstance(event, Knock):
            assert event.held.frame == frame and event.held.visitor.ip in frame[14:]
            assert event.held.visitor.own is outgoing is (frame[6:12] == SERVER)
        elif isinstance(event, Asked):
            assert event.visitor.mac not in (card[name], SERVER) and not outgoing
        elif isinstance(event, Claimed):
            assert event.mac == frame[6:12] and not outgoing
        elif isinstance(event, SelfAsked):
            assert outgoing and event.visitor.mac == SERVER
        else:
            assert isinstance(event, Pinged) and not outgoing and frame[6:12] != SERVER
