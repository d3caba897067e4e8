# SPDX-License-Identifier: GPL-3.0-or-later
"""An address that two machines have, and sleepers that ask for each other."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.python.wake.play import DESK4, DESK6, OWNER, SERVER, SLEEP, THIRD, WEB4, WEB6, Play, knock

from powernap.net import arp, frames, ip, ndp
from powernap.net.checksum import TCP
from powernap.wake import events as ev
from powernap.wake.demand.base import Received
from powernap.wake.demand.book import Book
from powernap.wake.demand.meaning import meaning
from powernap.wake.model import Address, State

FILE = bytes.fromhex("024c00000004")
FILE4, FILE6 = Address("eth0", bytes([198, 18, 0, 4]), FILE), Address("eth0", WEB6.ip[:15] + b"\x04", FILE)
ROUTER4, ROUTER6 = bytes([198, 18, 255, 254]), bytes.fromhex("fe80" + "00" * 13 + "fe")
CLAIM = ev.Claimed(WEB4, THIRD)


def going_down() -> Play:
    play = Play()
    play.tell(ev.Asleep(SLEEP))
    return play


def test_an_address_that_another_uses_is_left_to_it_and_the_others_are_stood_in_for() -> None:
    play = going_down()
    play.advance(0.6)
    play.tell(CLAIM)
    play.advance(30)
    assert play.state is State.PROXIED
    assert {effect.address for effect in play.all(ev.Announce)} == {WEB6}
    assert [log.event for log in play.all(ev.Log)].count("conflict") == 1
    (alert,) = [log.detail for log in play.all(ev.Log) if log.event == "alert"]
    assert "02:4c:00:00:00:77" in str(alert)
    play.tell(CLAIM)  # it asks for somebody now and then
    assert play.state is State.PROXIED


def test_what_is_held_for_such_an_address_is_given_up() -> None:
    play = going_down()
    play.tell(knock())
    play.tell(knock(address=WEB6))
    play.tell(CLAIM)
    assert [held.address for held in play.host.held] == [WEB6]
    assert play.all(ev.Released) == [ev.Released(1)]


def test_a_host_without_any_address_of_its_own_left_is_woken_by_an_order_all_the_same() -> None:
    play = going_down()
    play.tell(CLAIM)
    play.tell(ev.Claimed(WEB6, THIRD))
    play.advance(30)
    assert play.state is State.PROXIED and not play.all(ev.Announce)
    play.tell(ev.Order("admin", 10.0))
    assert play.all(ev.Volley)


def test_a_claim_on_an_address_that_is_stood_in_for_wakes_the_owner() -> None:
    play = Play().asleep()
    play.tell(CLAIM)
    assert play.state is State.WAKING and play.all(ev.Volley)
    awake = Play()
    assert awake.tell(CLAIM) == []


# What is heard


@pytest.fixture
def book() -> Book:
    made = Book()
    made.own_macs = frozenset((SERVER,))
    sleep = replace(SLEEP, tcp=((80, 80),))
    made.enter("web1", (OWNER,), (WEB4, WEB6), sleep)
    made.enter("file1", (FILE,), (FILE4, FILE6), replace(sleep, addresses=(FILE4, FILE6)))
    return made


def heard(book: Book, frame: bytes | frames.Frame) -> list[tuple[str, ev.Event]]:
    read = frames.parse(frame) if isinstance(frame, bytes) else frame
    return meaning(Received("eth0", read, b"raw"), book)


def kinds(book: Book, frame: bytes | frames.Frame) -> list[tuple[str, str]]:
    return [(name, type(event).__name__) for name, event in heard(book, frame)]


def test_two_sleepers_that_ask_for_each_other_are_each_awake_and_each_asked_for(book: Book) -> None:
    assert kinds(book, arp.request(OWNER, WEB4.ip, FILE4.ip)) == [("web1", "OwnerSeen"), ("file1", "Asked")]
    assert kinds(book, arp.request(FILE, FILE4.ip, WEB4.ip)) == [("file1", "OwnerSeen"), ("web1", "Asked")]
    assert kinds(book, ndp.solicitation(OWNER, WEB6.ip, FILE6.ip)) == [("web1", "OwnerSeen"), ("file1", "Asked")]
    assert kinds(book, ndp.solicitation(FILE, FILE6.ip, WEB6.ip)) == [("file1", "OwnerSeen"), ("web1", "Asked")]


def test_a_sleeper_that_wakes_by_itself_and_connects_to_another_wakes_that_one_alone(book: Book) -> None:
    syn = ip.Packet(OWNER, SERVER, TCP, WEB4.ip, 50000, FILE4.ip, 80, ip.SYN, b"")
    (seen, knocked) = heard(book, syn)
    assert seen == ("web1", ev.OwnerSeen(WEB4.ip))
    assert knocked[0] == "file1" and isinstance(knocked[1], ev.Knock)
    web1, file1 = Play().asleep(), Play(name="file1", macs=(FILE,), addresses=(FILE4,))
    file1.asleep(replace(SLEEP, addresses=(FILE4, FILE6), macs=(FILE,)))
    web1.tell(seen[1])
    file1.tell(knocked[1])
    assert (web1.state, file1.state) == (State.RESTORING, State.WAKING)
    assert not web1.all(ev.Volley) and len(file1.all(ev.Volley)) == 1


@pytest.mark.parametrize("mac", [OWNER, THIRD])
def test_detection_of_duplicates_is_the_owners_own_or_somebody_elses(book: Book, mac: bytes) -> None:
    four = heard(book, arp.request(mac, arp.NO_ADDRESS, WEB4.ip))
    six = heard(book, ndp.solicitation(mac, ndp.UNSPECIFIED, WEB6.ip))
    if mac == OWNER:
        assert four == [("web1", ev.OwnerSeen(None, WEB4.ip))] and six == [("web1", ev.OwnerSeen(None, WEB6.ip))]
    else:
        assert [(name, event.probe) for name, event in four + six if isinstance(event, ev.Asked)] == [
            ("web1", True)
        ] * 2


def test_a_router_that_advertises_its_own_address_concerns_nobody(book: Book) -> None:
    assert heard(book, ndp.announcement(THIRD, ROUTER6, THIRD, ROUTER6)) == []
    assert heard(book, ndp.answer(THIRD, ROUTER6, ROUTER6, SERVER, DESK6)) == []
    assert heard(book, arp.announcement(THIRD, THIRD, ROUTER4)) == []
    assert heard(book, arp.request(THIRD, ROUTER4, DESK4)) == []


def test_a_router_that_advertises_a_sleepers_address_with_override_claims_it(book: Book) -> None:
    assert heard(book, ndp.announcement(THIRD, ROUTER6, THIRD, WEB6.ip)) == [("web1", ev.Claimed(WEB6, THIRD))]
    assert heard(book, ndp.answer(THIRD, ROUTER6, WEB6.ip, SERVER, DESK6)) == [("web1", ev.Claimed(WEB6, THIRD))]
