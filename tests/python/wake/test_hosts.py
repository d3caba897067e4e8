# SPDX-License-Identifier: GPL-3.0-or-later
"""A host goes to sleep and is stood in for, transition by transition, with the clock in hand."""

from __future__ import annotations

import pytest
from tests.python.wake.play import SLEEP, THIRD, WEB4, WEB6, Play, asked, given, knock

from powernap.wake import events as ev
from powernap.wake.model import State

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
    assert sorted(set(play.times(ev.Probe))) == [1000.5, 1001.5, 1002.5, 1003.48], "the last just before the verdict"
    assert all(probe.broadcast for probe in play.all(ev.Probe))


def test_capture_is_announced_four_times_at_0_1_3_and_7_seconds() -> None:
    play = Play()
    play.tell(ev.Asleep(SLEEP))
    play.advance(60)
    assert sorted(set(play.times(ev.Announce))) == [1003.5, 1004.5, 1006.5, 1010.5]
    assert {effect.address for effect in play.all(ev.Announce)} == {WEB4, WEB6}
    assert sorted(set(play.times(ev.Probe)))[-4:] == [1003.48, 1004.48, 1006.48, 1010.48], "its owner is asked first"


def test_an_owner_that_answers_before_an_announcement_is_not_told_that_its_address_is_taken() -> None:
    play = Play()
    play.tell(ev.Asleep(SLEEP))
    play.advance(4)
    assert play.state is State.PROXIED
    play.clear()
    play.advance(1, owner_answers=True)
    assert play.all(ev.Probe) and not play.all(ev.Announce) and play.state is not State.PROXIED


def test_a_late_question_puts_the_announcement_off() -> None:
    play = Play()
    play.tell(ev.Asleep(SLEEP))
    play.advance(3.6)
    play.clear()
    play.now += 2
    play.tell(ev.Tick())
    assert play.all(ev.Probe) and not play.all(ev.Announce)
    play.advance(0.03)
    assert play.all(ev.Announce)


@pytest.mark.parametrize("up_after", [each / 20 for each in range(240)])
def test_an_owner_that_comes_up_is_asked_before_it_would_be_told_that_its_address_is_taken(up_after: float) -> None:
    # An announcement fails duplicate-address detection, which takes the owner's first second or two.
    play = Play()
    play.tell(ev.Asleep(SLEEP))
    play.advance(up_after)
    play.clear()
    up = play.now
    play.advance(10, owner_answers=True)
    assert all(at <= up + play.policy.answer_seconds for at in play.times(ev.Announce))


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
def test_a_look_asks_the_owner_alone_whether_it_is_there(way: str) -> None:
    play = getattr(Play(), way)()
    play.advance(600)
    assert not play.all(ev.Probe), "no timer of its own"
    assert play.tell(ev.Look()) == [ev.Probe(WEB4, False), ev.Probe(WEB6, False)]
    play.tell(ev.OwnerSeen(WEB4.ip, answers=True))
    assert not play.host.stands_in() and WEB4 in given(play)


@pytest.mark.parametrize("way", ["begun", "waking"])
def test_a_look_at_a_host_that_is_busy_or_awake_asks_nobody(way: str) -> None:
    play = Play() if way == "begun" else Play().waking()
    assert play.tell(ev.Look()) == []


def test_who_is_not_stood_in_for_is_left_alone() -> None:
    play = Play(wake_on="never").asleep()
    play.advance(600)
    assert play.tell(ev.Look()) == []
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
