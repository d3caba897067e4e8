# SPDX-License-Identifier: GPL-3.0-or-later
"""A host that is back: its addresses, what was held for it, and whether it is to be believed."""

from __future__ import annotations

from tests.python.wake.play import DESK, DESK4, THIRD, WEB4, WEB6, Play, asked, given, knock

from powernap.wake import events as ev
from powernap.wake.model import State

# Restoring


def test_ipv4_goes_back_twice_and_each_ipv6_address_once_and_only_when_alive() -> None:
    play = Play().waking()
    play.tell(ev.OwnerSeen(WEB4.ip))
    play.advance(0.5)
    assert given(play) == [WEB4], "IPv6 may be in duplicate-address detection"
    assert WEB6 in {probe.address for probe in play.all(ev.Probe)}
    play.tell(ev.OwnerSeen(WEB6.ip))
    play.tell(ev.OwnerSeen(WEB6.ip))
    play.advance(10)
    assert given(play).count(WEB6) == 1 and given(play).count(WEB4) == 2


def test_who_was_told_that_an_address_is_here_is_told_again_alone() -> None:
    play = Play().asleep()
    play.tell(asked(WEB6))
    play.tell(asked(WEB6))
    play.tell(asked(WEB4, mac=THIRD, probe=True))
    play.tell(knock(address=WEB6))
    play.tell(ev.OwnerSeen(WEB4.ip))
    assert given(play, DESK) == [], "IPv6 may be in duplicate-address detection"
    play.advance(0.05)
    play.tell(ev.OwnerSeen(WEB6.ip))
    play.advance(10)
    assert given(play, DESK) == [WEB6] * 4
    assert given(play, THIRD) == []


def test_at_most_64_neighbours_are_remembered() -> None:
    play = Play().asleep()
    for number in range(1000):
        play.tell(asked(mac=number.to_bytes(6, "big")))
    assert len(play.host.neighbours) == 64


def test_an_ipv6_address_that_never_shows_is_let_go_after_five_seconds() -> None:
    play = Play().waking()
    play.tell(ev.Hello("resume"))
    play.advance(4.9)
    assert play.state is State.RESTORING
    play.advance(0.2)
    assert play.state is State.AWAKE
    assert WEB6 not in {effect.address for effect in play.all(ev.GiveBack)}


def test_a_held_syn_is_replayed_at_0_100_300_and_1000_ms() -> None:
    play = Play().waking()
    play.tell(ev.Hello("resume"))
    start = play.now
    play.advance(2, owner_answers=True)
    assert [round(time - start, 1) for time in play.times(ev.Replay)] == [0, 0.1, 0.3, 1.0]


def test_a_replay_ends_when_the_owner_looks_for_the_peer() -> None:
    play = Play().waking()
    play.tell(ev.Hello("resume"))
    play.advance(0.15)
    play.tell(ev.OwnerSeen(WEB4.ip, DESK4))
    play.advance(2)
    assert len(play.all(ev.Replay)) == 2


def test_a_datagram_is_replayed_once() -> None:
    play = Play().asleep()
    play.tell(knock(once=True, frame=b"first"))
    play.tell(knock(once=True, frame=b"second"))
    play.tell(ev.Hello("resume"))
    play.advance(2)
    assert [effect.held.frame for effect in play.all(ev.Replay)] == [b"first"]


def test_a_datagram_for_an_ipv6_address_waits_until_that_is_usable() -> None:
    play = Play().asleep()
    play.tell(knock(once=True, address=WEB6))
    play.tell(ev.OwnerSeen(WEB4.ip))
    play.advance(0.2)
    sent = len(play.all(ev.Replay))
    play.tell(ev.OwnerSeen(WEB6.ip))
    play.advance(2)
    assert len(play.all(ev.Replay)) > sent


def test_the_newest_syn_of_a_flow_is_held_and_64_flows_of_a_host() -> None:
    play = Play().asleep()
    for port in range(100):
        play.tell(knock(port))
    play.tell(knock(5, b"newest"))
    assert len(play.host.held) == 64
    assert [held.frame for held in play.host.held if held.visitor.port == 5] == [b"newest"]
    play.tell(knock(63, b"no room anywhere")._replace(may_hold=False))
    assert b"no room anywhere" not in [held.frame for held in play.host.held]


def test_a_late_syn_while_restoring_is_passed_on_at_once() -> None:
    play = Play().waking()
    play.tell(ev.Hello("resume"))
    play.clear()
    play.tell(knock(50009, b"late"))
    assert [effect.held.frame for effect in play.all(ev.Replay)] == [b"late"]


def test_nobody_is_answered_after_the_restore() -> None:
    play = Play().waking()
    play.tell(ev.Hello("resume"))
    play.advance(10)
    assert play.state is State.AWAKE
    play.clear()
    play.tell(asked())
    play.tell(asked(WEB6))
    play.advance(1000)
    assert play.done == []


# Seen awake, but has not said so


def test_a_host_seen_on_its_way_down_is_captured_again() -> None:
    play = Play().waking()
    play.tell(ev.OwnerSeen(WEB4.ip))
    play.advance(6)
    assert play.state is State.AWAKE
    play.advance(6)
    assert play.state is State.PROXIED


def test_a_host_that_answers_but_never_says_hello_is_believed_in_the_end() -> None:
    play = Play().waking()
    play.tell(ev.OwnerSeen(WEB4.ip))
    play.advance(200, owner_answers=True)
    assert play.state is State.AWAKE and play.host.sleep is None


def test_hello_ends_the_watching() -> None:
    play = Play().waking()
    play.tell(ev.OwnerSeen(WEB4.ip))
    play.advance(6, owner_answers=True)
    play.tell(ev.Hello("resume"))
    assert play.host.sleep is None and play.host.arm is None
    play.clear()
    play.advance(1000)
    assert play.done == []


def test_an_order_for_a_watched_host_that_fell_silent_wakes_it_and_stands_in() -> None:
    play = Play().waking()
    play.tell(ev.OwnerSeen(WEB4.ip))
    play.advance(6)
    assert play.state is State.AWAKE
    play.clear()
    play.tell(ev.Order("root", 60))
    play.advance(0.4)
    assert play.all(ev.Volley) and play.all(ev.Announce)
    assert play.tell(asked())


def test_a_knock_at_a_watched_host_is_passed_on() -> None:
    play = Play().waking()
    play.tell(ev.OwnerSeen(WEB4.ip))
    play.advance(5.5)
    assert play.state is State.AWAKE
    play.clear()
    play.tell(knock(5, b"stale neighbour"))
    assert [effect.held.frame for effect in play.all(ev.Replay)] == [b"stale neighbour"]
    assert [effect.address for effect in play.all(ev.GiveBack)] == [WEB4]


def test_a_host_that_was_awake_all_the_time_and_links_again_is_one_event() -> None:
    play = Play()
    for _again in range(3):
        play.tell(ev.Hello("linked"))
    assert [(log.event, log.detail) for log in play.all(ev.Log)] == [("hello", "linked")] * 3
