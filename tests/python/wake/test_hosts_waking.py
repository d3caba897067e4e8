# SPDX-License-Identifier: GPL-3.0-or-later
"""What wakes a host: knocks, the wake server's own machine, orders; with the clock in hand."""

from __future__ import annotations

import pytest
from tests.python.wake.play import DESK4, SERVER, SLEEP, WEB4, WEB6, Play, asked, given, knock, own, self_asked

from powernap.wake import events as ev
from powernap.wake.model import State

# Waking


def test_the_magic_packet_is_the_first_thing_a_knock_leads_to() -> None:
    play = Play().asleep()
    assert play.tell(knock())[0] == ev.Volley(0)
    assert play.state is State.WAKING


def test_fifteen_volleys_in_thirty_seconds_dense_at_first() -> None:
    play = Play().waking()
    start = play.now
    play.advance(119)
    times = [time - start for time in play.times(ev.Volley)]
    assert [effect.number for effect in play.all(ev.Volley)] == list(range(1, 15))
    assert times[0] == pytest.approx(0.57, abs=0.05) and times[1] == pytest.approx(1.6, abs=0.1)
    assert times[-1] == pytest.approx(30, abs=0.1)
    assert times == sorted(times)


def test_readiness_is_asked_for_every_100_ms_and_only_of_the_owner() -> None:
    play = Play().waking()
    play.advance(1.05)
    assert len(set(play.times(ev.Probe))) == 10
    assert not any(probe.broadcast for probe in play.all(ev.Probe))


@pytest.mark.parametrize("event", [ev.OwnerSeen(WEB4.ip), ev.OwnerSeen(WEB6.ip), ev.Hello("resume")])
def test_any_sign_of_life_ends_the_wake(event: ev.Event) -> None:
    play = Play().waking()
    play.advance(2.4)
    play.tell(event)
    assert play.state is State.RESTORING
    (end,) = play.all(ev.WakeEnded)
    assert end.woken and not end.was_awake and end.seconds == pytest.approx(2.4)
    play.clear()
    play.advance(60, owner_answers=True)
    assert not play.all(ev.Volley)


def test_a_host_that_does_not_wake_is_unreachable_with_an_alert_and_still_stood_in_for() -> None:
    play = Play().waking()
    play.advance(121)
    assert play.state is State.UNREACHABLE
    assert [log.event for log in play.all(ev.Log)] == ["alert"]
    assert [end.woken for end in play.all(ev.WakeEnded)] == [False]
    assert not play.host.held
    assert play.tell(asked())
    play.clear()
    assert play.tell(knock())[0] == ev.Volley(0)
    assert play.state is State.WAKING


def test_demand_after_the_last_volley_sends_another() -> None:
    play = Play().waking()
    play.advance(60)
    play.clear()
    play.tell(knock(port=50001))
    play.tell(knock(port=50002))
    assert len(play.all(ev.Volley)) == 1, "one for both"
    play.advance(3)
    play.tell(knock(port=50003))
    assert len(play.all(ev.Volley)) == 2


def test_demand_during_the_volleys_adds_none() -> None:
    play = Play().waking()
    for port in range(100):
        play.tell(knock(port))
    assert not play.all(ev.Volley)


# Demand by the wake server's own machine, whose kernel nobody answers


@pytest.mark.parametrize("wake_on", ["demand", "arp"])
@pytest.mark.parametrize("way", ["asleep", "unreachable"])
def test_our_own_question_for_a_sleeper_is_demand(way: str, wake_on: str) -> None:
    play = getattr(Play(wake_on=wake_on), way)()
    effects = play.tell(self_asked())
    assert effects[0] == ev.Volley(0) and play.state is State.WAKING
    assert not play.all(ev.Answer), "it would not arrive"
    assert "this machine itself" in str(next(log.detail for log in play.all(ev.Log) if log.event == "demand"))


def test_our_own_question_wakes_no_host_that_nothing_may_wake() -> None:
    play = Play(wake_on="never").asleep()
    assert play.tell(self_asked()) == []
    assert play.state is State.PROXIED


def test_our_own_question_for_a_host_that_is_awake_is_its_own_to_answer() -> None:
    play = Play()
    assert play.tell(self_asked()) == []
    play = Play().waking()
    play.tell(ev.Hello("resume"))
    play.clear()
    assert play.tell(self_asked()) == []


def test_our_own_question_while_arming_wakes_as_soon_as_the_owner_is_silent() -> None:
    play = Play()
    play.tell(ev.Asleep(SLEEP))
    play.tell(self_asked())
    play.advance(0.1, owner_answers=True)
    assert not play.all(ev.Volley)
    play.advance(1.4)
    assert play.state is State.WAKING and play.all(ev.Volley)


def test_our_own_question_for_a_host_that_was_seen_wakes_it_where_it_has_fallen_silent() -> None:
    play = Play().waking()
    play.tell(ev.OwnerSeen(WEB4.ip))
    play.advance(5.5)
    assert play.state is State.AWAKE
    play.clear()
    play.tell(self_asked())
    play.advance(0.25)
    assert play.state is State.WAKING and play.all(ev.Volley)


def test_our_own_question_is_over_once_a_host_that_was_seen_has_answered() -> None:
    play = Play().waking()
    play.tell(ev.OwnerSeen(WEB4.ip))
    play.advance(5.5)
    play.clear()
    play.tell(self_asked())
    play.advance(3, owner_answers=True)
    play.advance(20)
    assert play.state is State.PROXIED and not play.all(ev.Volley)


def test_our_own_knock_is_held_and_replayed() -> None:
    play = Play().asleep()
    assert play.tell(own(knock()))[0] == ev.Volley(0)
    play.tell(ev.Hello("resume"))
    play.advance(2)
    assert [effect.held.frame for effect in play.all(ev.Replay)] == [b"syn"] * 4
    assert given(play, SERVER) == [], "no frame of ours reaches ourselves"


def test_our_own_knock_at_a_host_that_is_awake_has_gone_to_it_already() -> None:
    play = Play().waking()
    play.tell(ev.OwnerSeen(WEB4.ip))
    for _ in range(2):
        play.clear()
        play.tell(own(knock(7, b"mine")))
        assert not play.all(ev.Replay) or b"mine" not in [effect.held.frame for effect in play.all(ev.Replay)]
        assert not [effect for effect in play.all(ev.GiveBack) if effect.to is None]
        play.advance(5.5, owner_answers=True)
    assert play.state is State.AWAKE


# Orders


def test_an_order_for_a_host_that_answers_changes_nothing() -> None:
    play = Play()
    play.tell(ev.Order("root", 60))
    assert play.all(ev.Probe) and not play.all(ev.Volley)
    play.advance(0.05)
    play.tell(ev.OwnerSeen(WEB4.ip))
    assert play.state is State.AWAKE
    assert [(end.woken, end.was_awake) for end in play.all(ev.WakeEnded)] == [(True, True)]


def test_a_host_that_has_registered_no_sleep_is_awake_with_any_address() -> None:
    play = Play()
    play.tell(ev.Order("root", 60))
    play.tell(ev.OwnerSeen(None))
    assert play.state is State.WAKING, "perhaps a firmware that looks for a boot server"
    play.tell(ev.OwnerSeen(DESK4))
    assert play.state is State.AWAKE and play.all(ev.WakeEnded)


def test_an_order_for_a_silent_host_believed_awake_wakes_it_after_300_ms() -> None:
    play = Play()
    play.tell(ev.Order("root", 60))
    play.advance(0.29)
    assert not play.all(ev.Volley)
    play.advance(0.02)
    assert len(play.all(ev.Volley)) == 1
    play.advance(1)
    play.tell(ev.OwnerSeen(WEB4.ip))
    assert play.state is State.AWAKE and not play.all(ev.GiveBack)
    assert [(end.woken, end.was_awake) for end in play.all(ev.WakeEnded)] == [(True, False)]


@pytest.mark.parametrize("play", [Play().asleep(), Play().unreachable(), Play()])
def test_an_order_is_told_once_and_is_no_demand(play: Play) -> None:
    play.advance(1)
    told = [effect.event for effect in play.tell(ev.Order("root", 60)) if isinstance(effect, ev.Log)]
    assert told == ["ordered"]


def test_an_order_for_a_host_without_known_address_wakes_at_once_and_any_frame_of_it_counts() -> None:
    play = Play(addresses=())
    assert play.tell(ev.Order("root", 60))[-2:][0] == ev.Volley(0)
    play.tell(ev.OwnerSeen(None))
    assert play.state is State.AWAKE and play.all(ev.WakeEnded)


def test_an_order_for_a_sleeper_wakes_it_at_once() -> None:
    play = Play().asleep()
    play.tell(ev.Order("root", 300))
    assert play.all(ev.Volley)
    play.advance(200)
    assert play.state is State.WAKING, "the order's own time counts"


def test_an_order_while_waking_joins_that_wake() -> None:
    play = Play().waking()
    play.tell(ev.Order("root", 500))
    assert not play.all(ev.Volley)
    play.advance(400)
    assert play.state is State.WAKING
    play.tell(ev.Hello("resume"))
    assert len(play.all(ev.WakeEnded)) == 1


def test_an_order_while_the_host_goes_down_waits_until_it_is_down() -> None:
    play = Play()
    play.tell(ev.Asleep(SLEEP))
    play.tell(ev.Order("root", 60))
    play.advance(8, owner_answers=True)
    assert not play.all(ev.WakeEnded) and not play.all(ev.Volley)
    play.advance(1.3)
    assert play.state is State.WAKING and play.all(ev.Volley)


def test_an_order_ends_well_where_the_host_calls_its_nap_off() -> None:
    play = Play()
    play.tell(ev.Asleep(SLEEP))
    play.tell(ev.Order("root", 60))
    play.tell(ev.Hello("cancelled"))
    assert [(end.woken, end.was_awake) for end in play.all(ev.WakeEnded)] == [(True, True)]


def test_an_order_while_restoring_has_nothing_to_do() -> None:
    play = Play().waking()
    play.tell(ev.Hello("resume"))
    play.clear()
    play.tell(ev.Order("root", 60))
    assert [(end.woken, end.was_awake) for end in play.all(ev.WakeEnded)] == [(True, True)]


# How often a host is asked whether it is awake


def test_where_a_client_waits_here_the_host_is_asked_ten_times_a_second() -> None:
    play = Play().asleep()
    play.tell(knock())
    play.advance(1.05)
    assert len(set(play.times(ev.Probe))) == 10


def test_where_nothing_waits_here_it_is_asked_with_each_magic_packet_and_then_each_second() -> None:
    play = Play(wake_on="arp").asleep()
    play.tell(asked())
    play.advance(30)
    assert sorted(set(play.times(ev.Probe))) == play.times(ev.Volley)[1:]
    play.clear()
    play.advance(10)
    assert len(set(play.times(ev.Probe))) == 10 and not play.all(ev.Volley)


@pytest.mark.parametrize("event", [ev.Order("an administrator", 60), knock()])
def test_whoever_begins_to_wait_meanwhile_has_it_asked_often(event: ev.Event) -> None:
    play = Play(wake_on="arp").asleep()
    play.tell(asked())
    play.advance(5)
    play.clear()
    play.tell(event)
    play.advance(1.05)
    assert len(set(play.times(ev.Probe))) == 10


def test_one_that_waits_for_its_turn_is_not_asked_before() -> None:
    play = Play(wake_on="arp").asleep()
    play.tell(asked())
    play.tell(ev.Postponed())
    play.clear()
    play.advance(20)
    assert not play.all(ev.Probe)
    play.tell(ev.Turn())
    play.advance(2)
    assert sorted(set(play.times(ev.Probe))) == play.times(ev.Volley)[1:]
