# SPDX-License-Identifier: GPL-3.0-or-later
"""Leases that end, restarts of the wake server, changes of mind."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.python.wake.play import DESK6, OWNER, SLEEP, THIRD, WEB4, WEB6, Play, asked, knock

from powernap.wake import events as ev
from powernap.wake.model import Policy, State


def leased(seconds: float = 600) -> object:
    return replace(SLEEP, lease_ends=1000 + seconds, wake_by=1000 + seconds * 0.9)


def test_a_sleeper_is_woken_before_its_lease_ends() -> None:
    play = Play().asleep(leased())
    play.advance(523)
    assert play.state is State.PROXIED
    play.advance(4)
    assert play.state is State.WAKING and play.host.wake.wanted.reason == "lease"


def test_a_host_that_does_not_wake_by_the_end_of_its_lease_is_no_longer_stood_in_for() -> None:
    play = Play().asleep(leased())
    play.advance(700)
    assert play.state is State.EXPIRED and play.all(ev.Forgotten)
    assert play.tell(asked()) == []
    play.tell(ev.OwnerSeen(WEB4.ip))
    assert play.state is State.AWAKE


def test_a_host_that_nothing_may_wake_just_expires() -> None:
    play = Play(wake_on="never").asleep(leased())
    play.advance(700)
    assert play.state is State.EXPIRED and not play.all(ev.Volley)


def test_an_expired_host_can_still_be_ordered_awake() -> None:
    play = Play().asleep(leased())
    play.advance(700)
    play.clear()
    play.tell(ev.Order("root", 60))
    assert play.all(ev.Volley)
    play.advance(130)
    assert play.state is State.UNREACHABLE
    assert play.tell(asked()) == [], "its address may be somebody else's"


def test_after_a_restart_a_sleeper_is_captured_again_within_two_seconds() -> None:
    play = Play()
    play.tell(ev.Recalled(SLEEP))
    assert play.state is State.ARMING
    play.advance(1.5)
    assert play.state is State.PROXIED and play.all(ev.Announce)


def test_after_a_restart_a_knock_is_not_lost() -> None:
    play = Play()
    play.tell(ev.Recalled(SLEEP))
    play.tell(knock())
    play.advance(0.3)
    assert play.state is State.WAKING and play.all(ev.Volley) and play.host.held


def test_after_a_restart_a_host_that_woke_meanwhile_gets_its_addresses_back() -> None:
    play = Play()
    play.tell(ev.Recalled(SLEEP))
    play.advance(0.1, owner_answers=True)
    assert WEB4 in {effect.address for effect in play.all(ev.GiveBack)}
    assert not play.all(ev.Announce)
    play.advance(100, owner_answers=True)
    assert play.state is State.AWAKE and not play.all(ev.Announce)


def test_after_a_restart_each_address_goes_back_when_it_is_seen_whichever_is_first() -> None:
    play = Play()
    play.tell(ev.Recalled(SLEEP))
    play.tell(ev.OwnerSeen(WEB4.ip))
    play.tell(ev.Hello("resume"))
    play.tell(ev.OwnerSeen(WEB6.ip))
    assert [effect.address for effect in play.all(ev.GiveBack)] == [WEB4, WEB6]


def test_a_host_that_sleeps_again_at_once_ends_the_wake_that_was_under_way() -> None:
    play = Play().waking()
    play.tell(ev.Asleep(SLEEP))
    assert play.state is State.REGISTERED
    assert [end.woken for end in play.all(ev.WakeEnded)] == [True]


def test_two_registrations_in_a_row_keep_an_order_that_waits() -> None:
    play = Play()
    play.tell(ev.Asleep(SLEEP))
    play.tell(ev.Order("root", 60))
    play.tell(ev.Asleep(SLEEP))
    play.advance(1)
    assert play.state is State.WAKING and play.all(ev.Volley)


def test_one_volley_is_allowed() -> None:
    play = Play(Policy(volleys=1)).asleep()
    play.tell(knock())
    play.advance(100)
    assert [effect.number for effect in play.all(ev.Volley)] == [0]


@pytest.mark.parametrize(
    "event", [asked(), asked(WEB6), knock(), ev.Claimed(WEB4, THIRD), ev.OwnerSeen(WEB4.ip, DESK6)]
)
def test_an_awake_host_is_nobodys_business(event: ev.Event) -> None:
    play = Play()
    before = play.host
    assert play.tell(event) == []
    assert play.host is before
    assert OWNER in play.host.all_macs()


def test_a_lease_that_ended_while_nobody_ran_wakes_the_host_before_it_is_given_up() -> None:
    play = Play()
    play.tell(ev.Recalled(leased(-3600.0)))
    play.advance(2)
    assert play.state is State.WAKING and play.host.wake.wanted.reason == "lease" and play.all(ev.Volley)
    play.advance(200)
    assert play.state is State.EXPIRED
