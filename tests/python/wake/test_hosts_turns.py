# SPDX-License-Identifier: GPL-3.0-or-later
"""A wake that waits for the budget, what shows that a host is awake, echo requests, and frames that are let go."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.python.wake.play import DESK, DESK4, OWNER, SLEEP, WEB4, WEB6, Play, asked, knock

from powernap.wake import events as ev
from powernap.wake.model import Address, Evidence, Policy, State, Visitor


def waiting() -> Play:
    play = Play().waking()
    play.tell(ev.Postponed())
    play.clear()
    return play


# Waiting for a turn


def test_a_postponed_wake_sends_nothing_asks_nobody_and_does_not_end_however_long_it_waits() -> None:
    play = waiting()
    assert play.state is State.WAKING and play.host.wake is not None and play.host.wake.waits
    play.tell(knock(50001))
    play.tell(knock(50002))
    play.advance(3600)
    assert not play.done
    assert len(play.host.held) == 3
    assert play.tell(asked()), "its neighbours are answered all the while"


def test_its_turn_sends_the_first_volley_and_gives_it_the_whole_time() -> None:
    play = waiting()
    play.advance(1000)
    assert play.tell(ev.Turn()) == [ev.Volley(0, granted=True)]
    play.advance(119)
    assert [volley.number for volley in play.all(ev.Volley)] == list(range(15))
    assert play.state is State.WAKING and not play.all(ev.WakeEnded)
    play.advance(2)
    assert play.state is State.UNREACHABLE


def test_a_turn_for_a_host_that_does_not_wait_does_nothing() -> None:
    for play in (Play(), Play().asleep(), Play().waking()):
        before = play.host
        assert play.tell(ev.Turn()) == [] and play.host is before


@pytest.mark.parametrize("event", [ev.OwnerSeen(WEB4.ip), ev.Hello("resume")])
def test_a_host_that_waits_and_wakes_by_itself_is_restored(event: ev.Event) -> None:
    play = waiting()
    play.advance(50)
    play.tell(event)
    assert play.state is State.RESTORING and play.all(ev.WakeEnded)[0].woken
    play.clear()
    assert play.tell(ev.Turn()) == []


def test_an_order_for_a_host_that_waits_asks_to_go_first_and_brings_its_patience() -> None:
    play = waiting()
    assert ev.Hurry() in play.tell(ev.Order("root", 500))
    assert play.host.wake is not None and play.host.wake.wanted.reason == "order"
    play.tell(ev.Turn())
    play.advance(499)
    assert play.state is State.WAKING


def test_only_the_first_volley_of_a_wake_needs_a_turn() -> None:
    play = Play().asleep()
    assert play.tell(knock())[0] == ev.Volley(0, granted=False)
    play.tell(ev.Postponed())
    play.tell(ev.Turn())
    play.tell(ev.Turn())
    assert len(play.all(ev.Volley)) == 2


def test_an_order_for_a_silent_host_believed_awake_may_have_to_wait() -> None:
    play = Play()
    play.tell(ev.Order("root", 60))
    play.advance(0.35)
    play.tell(ev.Postponed())
    play.clear()
    play.advance(100)
    assert not play.done
    assert play.tell(ev.Turn()) == [ev.Volley(0, granted=True)]


# Escalation


def test_each_further_way_of_waking_has_a_volley_at_its_second() -> None:
    play = Play(Policy(escalate_at=(10.0, 60.0))).asleep()
    start = play.now
    play.tell(knock())
    play.advance(110)
    times = [round(time - start, 3) for time in play.times(ev.Volley)]
    assert len(times) == 17 and 10.0 in times and times[-1] == 60.0
    assert times == sorted(times)


# What shows that it is awake


@pytest.mark.parametrize(
    ("event", "evidence"),
    [
        (ev.Hello("resume"), Evidence.HELLO),
        (ev.OwnerSeen(WEB4.ip, answers=True), Evidence.ANSWER),
        (ev.OwnerSeen(WEB4.ip), Evidence.FRAME),
        (ev.Asleep(SLEEP), Evidence.HELLO),
    ],
)
def test_a_wake_that_ends_says_what_showed_it(event: ev.Event, evidence: Evidence) -> None:
    play = Play().waking()
    play.tell(event)
    assert [end.verified for end in play.all(ev.WakeEnded)] == [evidence]


def test_a_port_that_opens_shows_it_for_a_machine_that_was_off() -> None:
    play = Play().asleep(replace(SLEEP, action="poweroff"))
    play.tell(knock())
    play.tell(ev.OwnerSeen(WEB4.ip))
    play.tell(ev.PortOpen(WEB4, 80))
    assert [end.verified for end in play.all(ev.WakeEnded)] == [Evidence.PORT]


def test_a_wake_that_is_given_up_is_shown_by_nothing() -> None:
    play = Play().waking()
    play.advance(121)
    assert [end.verified for end in play.all(ev.WakeEnded)] == [None]


# Echo


def test_an_echo_request_is_answered_where_the_host_wants_it_and_wakes_nobody() -> None:
    pinged = ev.Pinged(WEB4, Visitor("ping", DESK, DESK4), b"echo")
    play = Play().asleep(replace(SLEEP, pings=True))
    assert play.tell(pinged) == [ev.Pong(WEB4, pinged.visitor, b"echo")]
    assert play.state is State.PROXIED
    play.tell(knock())
    assert play.tell(pinged) == [ev.Pong(WEB4, pinged.visitor, b"echo")]
    play.tell(ev.Hello("resume"))
    assert play.tell(pinged) == [], "its own kernel answers"


def test_an_echo_request_is_left_alone_where_the_host_does_not_want_it() -> None:
    pinged = ev.Pinged(WEB4, Visitor("ping", DESK, DESK4), b"echo")
    assert Play().asleep().tell(pinged) == []
    assert Play().tell(pinged) == []
    assert Play(wake_on="arp").asleep(replace(SLEEP, pings=True)).tell(pinged) == [], "nobody sends to us"


# What is held


def test_what_a_wake_that_is_given_up_held_is_let_go_and_counted() -> None:
    play = Play().waking()
    play.tell(knock(50001))
    play.advance(121)
    assert play.all(ev.Released) == [ev.Released(2)] and not play.host.held
    assert play.all(ev.Log), "with an alert"


def test_a_host_that_sleeps_again_before_it_had_what_was_held_is_woken_again() -> None:
    play = Play().waking()
    play.tell(ev.Asleep(SLEEP))
    assert play.host.held and not play.host.stands_in()
    play.advance(2)
    assert play.state is State.WAKING and play.all(ev.Volley)


def test_a_host_that_sleeps_again_but_still_answers_gets_what_was_held() -> None:
    play = Play().waking()
    play.tell(ev.Asleep(SLEEP))
    play.advance(0.5, owner_answers=True)
    assert [effect.held.frame for effect in play.all(ev.Replay)] == [b"syn"] and not play.host.held
    assert WEB4 in [effect.address for effect in play.all(ev.GiveBack)]


def test_a_wake_goes_on_where_an_interface_comes_back_amid_it() -> None:
    play = Play().waking()
    play.tell(ev.Recalled(SLEEP))
    play.advance(1)
    assert play.state is State.WAKING and play.all(ev.Volley) and play.host.held


def test_what_was_held_for_an_address_that_moved_is_let_go() -> None:
    play = Play().waking()
    moved = tuple(Address("eth1", address.ip, OWNER) for address in (WEB4, WEB6))
    play.tell(ev.Recalled(replace(SLEEP, addresses=moved)))
    assert play.all(ev.Released) == [ev.Released(1)] and not play.host.held
