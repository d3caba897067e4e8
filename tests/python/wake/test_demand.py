# SPDX-License-Identifier: GPL-3.0-or-later
"""Which host a frame concerns, and what it means for it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.python.wake.play import DESK, DESK4, DESK6, OWNER, SLEEP, THIRD, WEB4, WEB6

from powernap.net import arp, ethernet, ip, ndp
from powernap.net.checksum import TCP, UDP
from powernap.net.frames import Frame, parse
from powernap.wake.demand.base import Received
from powernap.wake.demand.book import Book
from powernap.wake.demand.meaning import meaning
from powernap.wake.events import Asked, Claimed, Event, Knock, OwnerSeen, SelfAsked
from powernap.wake.model import Address, Visitor

PROXY = bytes.fromhex("024c00000001")
FILE4 = Address("eth0", bytes([198, 18, 0, 4]), bytes.fromhex("024c00000004"))


@pytest.fixture
def book() -> Book:
    made = Book()
    made.own_macs = frozenset((PROXY,))
    sleep = replace(SLEEP, tcp=((22, 22), (80, 80), (8000, 8099)), udp=((161, 161),))
    made.enter("web1", (OWNER,), (WEB4, WEB6), sleep)
    made.enter("file1", (FILE4.mac,), (FILE4,), replace(SLEEP, addresses=(FILE4,)))
    return made


def means(book: Book, frame: bytes | Frame, segment: str = "eth0") -> list[tuple[str, Event]]:
    read = parse(frame) if isinstance(frame, bytes) else frame
    return meaning(Received(segment, read, b"raw"), book)


def packet(
    port: int = 80, protocol: int = TCP, flags: int = ip.SYN, payload: bytes = b"", **changes: object
) -> ip.Packet:
    made = ip.Packet(DESK, PROXY, protocol, DESK4, 50000, WEB4.ip, port, flags, payload)
    return made._replace(**changes)


def test_the_first_fragment_of_a_datagram_wakes_but_is_not_held(book: Book) -> None:
    ((name, knock),) = means(book, packet(161, UDP, 0, b"\xff", first=True))
    assert name == "web1" and isinstance(knock, Knock) and not knock.may_hold
    ((_, whole),) = means(book, packet(161, UDP, 0, b"hello"))
    assert isinstance(whole, Knock) and whole.may_hold


# ARP and neighbour discovery


def test_a_question_for_a_sleepers_address(book: Book) -> None:
    assert means(book, arp.request(DESK, DESK4, WEB4.ip)) == [
        ("web1", Asked(WEB4, Visitor("ARP", DESK, DESK4), probe=False))
    ]
    assert means(book, ndp.solicitation(DESK, DESK6, WEB6.ip)) == [
        ("web1", Asked(WEB6, Visitor("NS", DESK, DESK6), probe=False))
    ]


def test_a_unicast_question_counts_too(book: Book) -> None:
    assert means(book, arp.request(DESK, DESK4, WEB4.ip, PROXY))


def test_a_probe_for_a_sleepers_address(book: Book) -> None:
    ((_, four),) = means(book, arp.request(DESK, arp.NO_ADDRESS, WEB4.ip))
    ((_, six),) = means(book, ndp.solicitation(DESK, ndp.UNSPECIFIED, WEB6.ip))
    assert isinstance(four, Asked) and four.probe
    assert isinstance(six, Asked) and six.probe


def test_other_addresses_and_segments_concern_nobody(book: Book) -> None:
    assert means(book, arp.request(DESK, DESK4, DESK4[:3] + b"\x63")) == []
    assert means(book, arp.request(DESK, DESK4, WEB4.ip), segment="eth1") == []
    assert means(book, packet(), segment="eth1") == []


def test_our_own_frames_heard_on_another_card_concern_nobody(book: Book) -> None:
    for frame in (
        arp.announcement(PROXY, PROXY, WEB4.ip),
        arp.announcement(PROXY, OWNER, WEB4.ip),
        arp.request(PROXY, DESK4, WEB4.ip),
        ndp.announcement(PROXY, DESK6, PROXY, WEB6.ip),
        ndp.announcement(PROXY, DESK6, OWNER, WEB6.ip),
        ndp.solicitation(PROXY, DESK6, WEB6.ip),
    ):
        assert means(book, frame) == []


def test_the_owner_with_its_address(book: Book) -> None:
    assert means(book, arp.answer(OWNER, WEB4.ip, PROXY, DESK4)) == [("web1", OwnerSeen(WEB4.ip, DESK4, True))]
    assert means(book, arp.announcement(OWNER, OWNER, WEB4.ip)) == [("web1", OwnerSeen(WEB4.ip))]
    assert means(book, ndp.announcement(OWNER, WEB6.ip, OWNER, WEB6.ip)) == [("web1", OwnerSeen(WEB6.ip))]
    assert means(book, ndp.solicitation(OWNER, WEB6.ip, DESK6)) == [("web1", OwnerSeen(WEB6.ip, DESK6))]


def test_the_owners_own_duplicate_address_detection_is_never_answered(book: Book) -> None:
    assert means(book, arp.request(OWNER, arp.NO_ADDRESS, WEB4.ip)) == [("web1", OwnerSeen(None, WEB4.ip))]
    assert means(book, ndp.solicitation(OWNER, ndp.UNSPECIFIED, WEB6.ip)) == [("web1", OwnerSeen(None, WEB6.ip))]


def test_an_owner_that_asks_for_another_sleeper_concerns_both(book: Book) -> None:
    assert [(name, type(event)) for name, event in means(book, arp.request(OWNER, WEB4.ip, FILE4.ip))] == [
        ("web1", OwnerSeen),
        ("file1", Asked),
    ]


def test_a_third_card_claims_the_address(book: Book) -> None:
    assert means(book, arp.announcement(THIRD, THIRD, WEB4.ip)) == [("web1", Claimed(WEB4, THIRD))]
    assert means(book, arp.request(THIRD, WEB4.ip, DESK4)) == [("web1", Claimed(WEB4, THIRD))]
    assert means(book, ndp.announcement(THIRD, WEB6.ip, THIRD, WEB6.ip)) == [("web1", Claimed(WEB6, THIRD))]


def test_another_wake_server_that_gives_an_address_back_is_no_claim_and_no_owner(book: Book) -> None:
    assert means(book, arp.announcement(THIRD, OWNER, WEB4.ip)) == []
    assert means(book, ndp.announcement(THIRD, DESK6, OWNER, WEB6.ip)) == []


def test_a_router_that_asks_with_another_ethernet_source_is_answered(book: Book) -> None:
    frame = arp.Arp(THIRD, ethernet.BROADCAST, arp.REQUEST, DESK, DESK4, ethernet.ZERO, WEB4.ip)
    ((name, event),) = means(book, frame.to_bytes())
    assert name == "web1" and isinstance(event, Asked)


# This machine itself


def own(book: Book, frame: Frame | bytes, segment: str = "eth0") -> list[tuple[str, Event]]:
    read = parse(frame) if isinstance(frame, bytes) else frame
    return meaning(Received(segment, read, b"raw", outgoing=True), book)


SERVER4, SERVER6 = bytes([198, 18, 0, 1]), bytes.fromhex("fd4c" + "00" * 13 + "01")


def test_this_machines_own_question_for_a_sleeper_is_told_apart(book: Book) -> None:
    four, six = Visitor("ARP", PROXY, SERVER4, own=True), Visitor("NS", PROXY, SERVER6, own=True)
    assert own(book, arp.request(PROXY, SERVER4, WEB4.ip)) == [("web1", SelfAsked(WEB4, four))]
    assert own(book, ndp.solicitation(PROXY, SERVER6, WEB6.ip)) == [("web1", SelfAsked(WEB6, six))]
    assert str(four) == "ARP from 198.18.0.1 (02:4c:00:00:00:01), this machine itself"


def test_this_machines_own_packet_is_a_knock_by_its_port(book: Book) -> None:
    mine = packet(80, eth_source=PROXY, eth_destination=OWNER, source=SERVER4)
    ((name, event),) = own(book, mine)
    assert name == "web1" and isinstance(event, Knock) and event.held.visitor.own
    assert own(book, mine._replace(port=81)) == []
    assert own(book, mine._replace(flags=ip.ACK)) == []


def test_other_frames_that_leave_here_are_no_question(book: Book) -> None:
    for frame in (
        arp.request(PROXY, arp.NO_ADDRESS, WEB4.ip),
        arp.announcement(PROXY, PROXY, WEB4.ip),
        arp.answer(PROXY, SERVER4, OWNER, WEB4.ip),
        arp.request(PROXY, SERVER4, SERVER4[:3] + b"\x63"),
        arp.request(DESK, DESK4, WEB4.ip),  # bridged, from somebody behind this machine
        ndp.solicitation(PROXY, ndp.UNSPECIFIED, WEB6.ip),
        ndp.solicitation(DESK, DESK6, WEB6.ip),
        ndp.announcement(PROXY, SERVER6, PROXY, WEB6.ip),
        packet(80),
    ):
        assert own(book, frame) == []
    assert own(book, arp.request(PROXY, SERVER4, WEB4.ip), segment="eth1") == []


# Knocks


@pytest.mark.parametrize(
    "knock",
    [
        packet(80),
        packet(8000),
        packet(8099),
        packet(22),
        packet(22, flags=ip.PSH | ip.ACK, payload=b"typed"),
        packet(161, UDP, 0, b"get"),
        packet(161, UDP, 0, b""),
        packet(161, UDP, 0, b"\xff\xff"),
        packet(80, destination=WEB6.ip, source=DESK6),
    ],
)
def test_demand(book: Book, knock: ip.Packet) -> None:
    ((name, event),) = means(book, knock)
    assert name == "web1" and isinstance(event, Knock)
    assert event.held.frame == b"raw" and event.held.once is (knock.protocol == UDP)


@pytest.mark.parametrize(
    "chatter",
    [
        packet(81),
        packet(7999),
        packet(8100),
        packet(80, flags=ip.SYN | ip.ACK),
        packet(80, flags=ip.SYN | ip.RST),
        packet(80, flags=ip.SYN | ip.FIN),
        packet(80, flags=ip.ACK),
        packet(80, flags=ip.ACK | ip.PSH, payload=b"data"),
        packet(80, flags=ip.FIN | ip.ACK),
        packet(80, flags=ip.RST),
        packet(22, flags=ip.ACK),
        packet(22, flags=ip.FIN | ip.ACK, payload=b"x"),
        packet(161, UDP, 0, b"\xff"),
        packet(162, UDP, 0, b"get"),
        packet(80, UDP, 0, b"quic"),
        packet(80, eth_destination=ethernet.BROADCAST),
        packet(80, eth_destination=b"\x01" + bytes(5)),
        packet(80, eth_source=PROXY),
        packet(80, destination=DESK4),
    ],
)
def test_no_demand(book: Book, chatter: ip.Packet) -> None:
    assert means(book, chatter) == []


def test_a_packet_from_one_sleeper_to_another_shows_the_one_and_wakes_the_other(book: Book) -> None:
    kinds = [(name, type(event)) for name, event in means(book, packet(80, eth_source=FILE4.mac, source=FILE4.ip))]
    assert kinds == [("file1", OwnerSeen), ("web1", Knock)]


def test_a_host_with_nothing_registered_is_not_knocked_at(book: Book) -> None:
    book.enter("web1", (OWNER,), (WEB4,), None)
    assert means(book, packet()) == []


def test_what_is_removed_concerns_nobody_and_what_moved_its_new_owner(book: Book) -> None:
    book.enter("new", (THIRD,), (WEB4,), SLEEP)
    book.remove("web1")
    ((name, _),) = means(book, arp.request(DESK, DESK4, WEB4.ip))
    assert name == "new"
    assert means(book, ndp.solicitation(DESK, DESK6, WEB6.ip)) == []
    book.remove("new")
    assert (book.owner_of("eth0", WEB4.ip), book.host_of_card(THIRD), book.sleep_of("new")) == (None, None, None)
    assert book.owner_of("eth0", FILE4.ip) == ("file1", FILE4)
    assert (book.host_of_card(FILE4.mac), book.hosts_of_ip(FILE4.ip)) == ("file1", ("file1",))
    assert book.sleep_of("file1") == replace(SLEEP, addresses=(FILE4,))


def test_a_visitor_reads_like_a_sentence() -> None:
    assert str(Visitor("TCP SYN", DESK, DESK4, 50000, 80)) == (
        "TCP SYN to port 80 from 198.18.0.9:50000 (02:4c:00:00:00:09)"
    )
    assert "[fd4c::9]:5" in str(Visitor("UDP", DESK, DESK6, 5, 161))
    assert str(Visitor("ARP", DESK, DESK4)) == "ARP from 198.18.0.9 (02:4c:00:00:00:09)"
