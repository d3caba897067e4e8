# SPDX-License-Identifier: GPL-3.0-or-later
"""What a machine is called, for every combination of what may be known of it."""

from __future__ import annotations

import itertools

import pytest

from powernap.wake.model import State
from powernap.wake.presence.status import RESTART_SECONDS, Condition, Facts, Look, Parting, Status, Word, fuse

NOW = 1_000_000.0
SAID = ("awake", "warned", "powersave", "napping", "off")
WORDS = [None, *(Word(state, NOW - 50, NOW - 80, "") for state in SAID)]
PARTINGS = [None, *(Parting(cause, NOW - 20) for cause in ("", "stopped", "poweroff", "reboot", "reload"))]
LOOKS = [None, Look(True, "ARP", NOW - 10, NOW - 5), Look(False, "no answer", NOW - 10, NOW - 5)]
ALL = [
    Facts(state, NOW - 100, action, asked, linked, word, parting, look)
    for state, action, asked, linked, word, parting, look in itertools.product(
        State, ("suspend", "poweroff"), (False, True), (None, NOW - 60), WORDS, PARTINGS, LOOKS
    )
]
FOLLOWED = (State.REGISTERED, State.ARMING, State.PROXIED, State.WAKING, State.UNREACHABLE)


def awake(**facts: object) -> Status:
    return fuse(Facts(State.AWAKE, NOW - 100, **facts), NOW)  # type: ignore[arg-type]  # as each test gives them


def is_left_to_evidence(facts: Facts) -> bool:
    if facts.state is State.RESTORING:
        return facts.linked is not None
    return facts.state not in FOLLOWED or (facts.state is State.WAKING and facts.asked)


def test_every_combination_has_a_reason_and_a_time_that_is_past() -> None:
    for facts in ALL:
        status = fuse(facts, NOW)
        assert status.why and status.since <= NOW, facts
        assert status.evidence_at is None or status.evidence_at <= NOW
        assert status.evidence or status.condition is Condition.UNKNOWN, facts


def test_whoever_is_silent_and_without_a_link_is_never_called_awake() -> None:
    for facts in ALL:
        if is_left_to_evidence(facts) and facts.linked is None and facts.look is not None and not facts.look.answered:
            assert not fuse(facts, NOW).condition.is_up, facts


def test_whoever_has_an_open_link_or_answers_is_never_called_gone() -> None:
    for facts in ALL:
        answers = facts.look is not None and facts.look.answered
        if is_left_to_evidence(facts) and (facts.linked is not None or answers):
            never_asked = facts.state is State.EXPIRED and facts.look is None
            assert never_asked or fuse(facts, NOW).condition.is_up, facts


def test_a_machine_naps_only_where_it_has_registered_that() -> None:
    for facts in ALL:
        if fuse(facts, NOW).condition is Condition.NAPPING:
            assert facts.state in (State.REGISTERED, State.ARMING, State.PROXIED), facts


def test_what_the_wake_server_follows_itself_is_not_changed_by_what_was_said_before() -> None:
    by_state = {(facts.state, facts.action): fuse(facts, NOW) for facts in ALL if not is_left_to_evidence(facts)}
    for facts in ALL:
        if not is_left_to_evidence(facts):
            assert fuse(facts, NOW) == by_state[facts.state, facts.action]


@pytest.mark.parametrize(
    ("state", "action", "condition"),
    [
        (State.PROXIED, "suspend", Condition.NAPPING),
        (State.PROXIED, "poweroff", Condition.OFF),
        (State.REGISTERED, "suspend", Condition.NAPPING),
        (State.ARMING, "hibernate", Condition.NAPPING),
        (State.WAKING, "suspend", Condition.WAKING),
        (State.RESTORING, "suspend", Condition.AWAKE),
        (State.UNREACHABLE, "suspend", Condition.UNREACHABLE),
        (State.EXPIRED, "", Condition.UNKNOWN),
    ],
)
def test_the_state_of_a_sleeper(state: State, action: str, condition: Condition) -> None:
    assert fuse(Facts(state, NOW, action), NOW).condition is condition


def test_a_machine_with_a_link_is_what_it_says() -> None:
    for said in ("awake", "warned", "powersave"):
        status = awake(linked=NOW - 60, word=Word(said, NOW - 5, NOW - 30, "idle"))
        assert (status.condition.value, status.since, status.why) == (said, NOW - 30, "idle")
        assert (status.evidence, status.evidence_at) == ("open link", NOW)


def test_one_that_means_to_sleep_but_has_not_registered_is_warned_only() -> None:
    status = awake(linked=NOW - 60, word=Word("napping", NOW, NOW))
    assert status.condition is Condition.WARNED and "registered no sleep" in status.why


def test_a_lost_link_is_a_question_first_and_then_what_the_question_says() -> None:
    said = {"word": Word("awake", NOW - 100, NOW - 200), "parting": Parting("", NOW - 5)}
    assert awake(**said).condition is Condition.UNKNOWN
    answers = awake(**said, look=Look(True, "ARP answer", NOW - 3, NOW - 3))
    assert (answers.condition, answers.why) == (Condition.AWAKE, "answers, but powernapd does not")
    silent = awake(**said, look=Look(False, "no answer", NOW - 2, NOW - 2))
    assert (silent.condition, silent.since) == (Condition.UNREACHABLE, NOW - 2)


def test_whoever_said_that_it_powers_off_is_off_once_it_is_silent() -> None:
    parting = Parting("poweroff", NOW - 60)
    assert awake(parting=parting).condition is Condition.OFF
    assert awake(parting=parting, look=LOOKS[2]).condition is Condition.OFF
    assert awake(parting=parting, look=LOOKS[1]).condition is Condition.AWAKE


def test_whoever_restarts_is_waited_for_and_then_missed() -> None:
    silent = LOOKS[2]
    assert awake(parting=Parting("reboot", NOW - RESTART_SECONDS + 1), look=silent).condition is Condition.WAKING
    late = awake(parting=Parting("reboot", NOW - RESTART_SECONDS), look=silent)
    assert late.condition is Condition.UNREACHABLE and "did not come back" in late.why


def test_a_stopped_powernapd_is_no_stopped_machine() -> None:
    status = awake(parting=Parting("stopped", NOW - 60), look=LOOKS[1])
    assert status.condition is Condition.AWAKE and "powernapd was stopped" in status.why


def test_who_answers_in_its_place_is_named() -> None:
    status = awake(look=Look(False, "no answer", NOW, NOW, "02:4c:00:00:00:77"))
    assert status.condition is Condition.UNREACHABLE and "02:4c:00:00:00:77" in status.why


def test_powersave_said_by_a_single_message_outlives_an_answer_to_a_question() -> None:
    assert awake(word=Word("powersave", NOW - 50, NOW - 80), look=LOOKS[1]).condition is Condition.POWERSAVE


def test_nobody_knows_of_a_machine_that_never_showed_itself() -> None:
    assert awake().condition is Condition.UNKNOWN
