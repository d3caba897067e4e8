# SPDX-License-Identifier: GPL-3.0-or-later
"""Every transition of a host, one by one, with the clock in hand."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from tests.python.wake.play import (
    DESK,
    DESK4,
    DESK6,
    OWNER,
    SERVER,
    SLEEP,
    THIRD,
    WEB4,
    WEB6,
    Play,
    asked,
    knock,
    own,
    self_asked,
)

from powernap.wake import events as ev
from powernap.wake.model import Policy, State


def given(play: Play, to: bytes | None = None) -> list[object]:
    return [effect.address for effect in play.all(ev.GiveBack) if effect.to == to]


# Going to sleep


def test_a_silent_host_is_captured_after_three_probes_a_second_apart() -> None:
    play = Play()
    play.tell(ev.Asleep(SLEEP))
    assert play.state is State.REGISTERED
    play.advance(0.6)
    assert play.state is State.ARMING
    play.advance(2.8)
    assert play.state is State.ARMING and not play.all(ev.Announce)
    play.advance(0.2)
    assert play.state is State.PROXIED
    assert sorted(set(play.times(ev.Probe))) == [1000.5, 1001.5, 1002.5]
    assert all(probe.broadcast for probe in play.all(ev.Probe))


def test_capture_is_announced_four_times_at_0_1_3_and_7_seconds() -> None:
    play = Play()
    play.tell(ev.Asleep(SLEEP))
    play.advance(60)
    assert sorted(set(play.times(ev.Announce))) == [1003.5, 1004.5, 1006.5, 1010.5]
    assert {effect.address for effect in play.all(ev.Announce)} == {WEB4, WEB6}


def test_an_owner_that_answers_is_still_going_down_and_probing_starts_again() -> None:
    play = Play()
    play.tell(ev.Asleep(SLEEP))
    play.advance(30, owner_answers=True)
    assert play.state is State.ARMING and not play.all(ev.Announce)
    play.advance(15)
    assert play.state is State.PROXIED


def test_an_owner_that_answers_in_twenty_rounds_stays_awake() -> None:
    play = Play()
    play.tell(ev.Asleep(SLEEP))
    play.advance(90, owner_answers=True)
    assert play.state is State.ARMING, "a slow shutdown takes its time"
    play.advance(90, owner_answers=True)
    assert play.state is State.AWAKE
    assert len(set(play.times(ev.Probe))) == 20
    assert play.all(ev.Forgotten) and not play.all(ev.Announce)


def test_frames_that_answer_no_probe_use_up_no_round() -> None:
    play = Play()
    play.tell(ev.Asleep(SLEEP))
    for _ in range(100):
        play.tell(ev.OwnerSeen(WEB4.ip))
    play.advance(4)
    assert play.state is State.PROXIED


def test_a_question_while_arming_is_answered_at_once_where_the_owner_is_silent() -> None:
    play = Play()
    play.tell(ev.Asleep(SLEEP))
    play.tell(asked())
    play.advance(0.19)
    assert play.state is State.ARMING and not play.all(ev.Answer)
    play.advance(0.02)
    assert play.state is State.PROXIED
    assert [effect.address for effect in play.all(ev.Answer)] == [WEB4]
    assert play.all(ev.Announce) and not play.all(ev.Volley)


def test_a_question_while_arming_is_the_owners_to_answer_while_it_can() -> None:
    play = Play()
    play.tell(ev.Asleep(SLEEP))
    play.tell(asked())
    play.advance(0.45, owner_answers=True)
    assert not play.all(ev.Answer) and not play.all(ev.Announce)


def test_a_knock_while_arming_wakes_as_soon_as_the_owner_is_silent() -> None:
    play = Play()
    play.tell(ev.Asleep(SLEEP))
    play.tell(knock())
    play.advance(0.25)
    assert play.state is State.WAKING and play.all(ev.Volley)
    assert play.host.held


def test_a_knock_while_arming_goes_to_the_owner_where_that_is_up() -> None:
    play = Play()
    play.tell(ev.Asleep(SLEEP))
    play.tell(knock())
    play.advance(0.1, owner_answers=True)
    assert [effect.held.frame for effect in play.all(ev.Replay)] == [b"syn"]
    assert not play.host.held and not play.all(ev.Volley)


def test_a_host_that_calls_its_nap_off_is_awake_with_no_word_to_its_neighbours() -> None:
    play = Play()
    play.tell(ev.Asleep(SLEEP))
    play.advance(1)
    play.clear()
    play.tell(ev.Hello("cancelled"))
    assert play.state is State.AWAKE
    assert not play.all(ev.GiveBack) and play.all(ev.Forgotten)


# Standing in


@pytest.mark.parametrize("where", ["asleep", "waking", "unreachable"])
@pytest.mark.parametrize("address", [WEB4, WEB6])
def test_questions_are_answered_while_the_host_cannot(where: str, address: object) -> None:
    play = getattr(Play(), where)()
    state = play.state
    question = asked(address)
    assert play.tell(question) == [ev.Answer(address, question.visitor, False)]
    assert play.state is state, "a question wakes nobody"


def test_an_address_is_defended_against_who_wants_it() -> None:
    play = Play().asleep()
    probe = asked(probe=True)
    assert play.tell(probe) == [ev.Answer(WEB4, probe.visitor, True)]
    assert play.state is State.PROXIED


def test_an_owner_whose_answers_were_lost_while_arming_gets_its_address_back_when_asked_again() -> None:
    play = Play()
    play.tell(ev.Asleep(SLEEP))
    play.advance(3.6)
    assert play.state is State.PROXIED
    play.clear()
    play.advance(1, owner_answers=True)
    assert play.state is State.RESTORING and WEB4 in given(play)
    assert not any(probe.broadcast for probe in play.all(ev.Probe)), "one that sleeps is not to be disturbed"


@pytest.mark.parametrize("way", ["asleep", "unreachable"])
def test_an_owner_that_is_stood_in_for_is_asked_every_minute(way: str) -> None:
    play = getattr(Play(), way)()
    play.advance(600)
    times = sorted(set(play.times(ev.Probe)))
    assert len(times) == 10 and {round(later - time, 3) for time, later in pairwise(times)} == {60}
    play.advance(60, owner_answers=True)
    assert not play.host.stands_in() and WEB4 in given(play)


def test_who_is_not_stood_in_for_is_left_alone() -> None:
    play = Play(wake_on="never").asleep()
    play.advance(600)
    assert not play.all(ev.Probe)


def test_a_third_card_with_the_address_wakes_the_owner() -> None:
    play = Play().asleep()
    play.tell(ev.Claimed(WEB4, THIRD))
    assert play.state is State.WAKING and play.all(ev.Volley)
    assert "conflict" in [log.event for log in play.all(ev.Log)]


def test_the_owner_seen_with_its_address_gets_it_back_at_once() -> None:
    play = Play().asleep()
    play.tell(ev.OwnerSeen(WEB4.ip))
    assert play.state is State.RESTORING
    assert [effect.address for effect in play.all(ev.GiveBack)] == [WEB4]
    play.clear()
    assert play.tell(asked()) == []


def test_the_owner_seen_without_its_address_is_watched_and_not_woken() -> None:
    play = Play().asleep()
    play.tell(ev.OwnerSeen(None))
    play.advance(1)
    assert play.state is State.WAKING and not play.all(ev.Volley) and play.all(ev.Probe)
    play.advance(10)
    assert play.state is State.PROXIED, "a firmware that looked for a boot server"
    assert not [log for log in play.all(ev.Log) if log.event == "alert"]


def test_a_knock_on_a_host_that_seems_to_wake_by_itself_still_wakes_it() -> None:
    play = Play().asleep()
    play.tell(ev.OwnerSeen(None))
    play.tell(knock())
    assert play.all(ev.Volley)


@pytest.mark.parametrize("wake_on", ["arp", "never"])
def test_other_modes_neither_announce_nor_answer(wake_on: str) -> None:
    play = Play(wake_on=wake_on)
    play.tell(ev.Asleep(SLEEP))
    play.advance(60)
    play.tell(asked(probe=True))
    assert play.state is State.PROXIED
    assert not play.all(ev.Announce) and not play.all(ev.Answer)


def test_in_arp_mode_a_question_wakes_but_a_probe_does_not() -> None:
    play = Play(wake_on="arp").asleep()
    play.tell(asked(probe=True))
    assert play.state is State.PROXIED
    play.tell(asked())
    assert play.state is State.WAKING and play.all(ev.Volley) and not play.all(ev.Answer)
    play.tell(ev.OwnerSeen(WEB4.ip))
    assert play.state is State.AWAKE and not play.all(ev.GiveBack)


def test_in_arp_mode_a_question_while_arming_wakes() -> None:
    play = Play(wake_on="arp")
    play.tell(ev.Asleep(SLEEP))
    play.tell(asked())
    play.advance(0.25)
    assert play.state is State.WAKING and play.all(ev.Volley)


def test_never_means_no_wake_but_by_order() -> None:
    play = Play(wake_on="never").asleep()
    for event in (asked(), knock(), ev.Claimed(WEB4, THIRD)):
        play.tell(event)
        assert play.state is State.PROXIED
    play.tell(ev.Order("root", 60))
    assert play.all(ev.Volley)


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


# Leases, restarts, changes of mind


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
