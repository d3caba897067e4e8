# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from powernap.wake.model import State
from powernap.wake.orders.plan import Step, plan
from powernap.wake.orders.request import VERBS, Query, parse_request
from powernap.wake.presence import Condition
from powernap.wake.registration import BadBody

ARGUMENTS = {
    "inhibit": {"seconds": 60, "reason": "backup"},
    "release": {"reason": "backup"},
    "profile": {"name": "server"},
}


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_with_its_arguments(verb: str) -> None:
    request = parse_request({"verb": verb, "arguments": ARGUMENTS.get(verb, {}), "hosts": ["web1", "web1"]})
    assert request.verb == verb and request.query.hosts == ("web1",)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "verb"),
        ({"verb": "explode"}, "verb"),
        ({"verb": "nap"}, "hosts"),
        ({"verb": "nap", "hosts": "web1"}, "hosts"),
        ({"verb": "nap", "hosts": [""]}, "hosts"),
        ({"verb": "nap", "hosts": ["x"] * 10_001}, "hosts"),
        ({"verb": "nap", "all": 1}, "all"),
        ({"verb": "nap", "all": True, "state": ["asleep"]}, "state"),
        ({"verb": "nap", "all": True, "per_minute": -1}, "per_minute"),
        ({"verb": "nap", "all": True, "per_minute": True}, "per_minute"),
        ({"verb": "nap", "all": True, "valid_seconds": float("nan")}, "valid_seconds"),
        ({"verb": "inhibit", "all": True, "arguments": {"seconds": 60}}, "arguments.reason"),
        ({"verb": "inhibit", "all": True, "arguments": {"seconds": 0, "reason": "x"}}, "arguments.seconds"),
        ({"verb": "release", "all": True}, "arguments.reason"),
        ({"verb": "release", "all": True, "arguments": {"id": 1}}, "arguments.id"),
        ({"verb": "reload", "all": True, "arguments": {"now": True}}, "arguments.now"),
        ({"verb": "reload", "all": True, "arguments": []}, "arguments"),
        ({"verb": "reload", "everybody": True}, "everybody"),
    ],
)
def test_what_cannot_be_understood_is_refused_by_its_field(body: dict[str, Any], field: str) -> None:
    with pytest.raises(BadBody) as found:
        parse_request(body)
    assert str(found.value).startswith(f"{field}: ") and "\n" not in str(found.value)


def test_no_profile_is_a_profile_and_no_reason_is_none() -> None:
    assert parse_request({"verb": "profile", "all": True, "arguments": {"name": ""}}).arguments == {"name": ""}
    with pytest.raises(BadBody, match="reason: give a text"):
        parse_request({"verb": "inhibit", "all": True, "arguments": {"seconds": 60, "reason": ""}})


@given(st.dictionaries(st.sampled_from(["verb", "hosts", "state", "all", "group", "match", "arguments"]), st.none()))
def test_nulls_are_refused_or_left_out_and_never_break_anything(body: dict[str, Any]) -> None:
    with pytest.raises(BadBody):
        parse_request(body)


def test_whom_a_query_wants() -> None:
    query = Query(group="app", match="web*")
    assert query.wants("web1", "app") and not query.wants("web1", "") and not query.wants("db1", "app")
    assert Query().wants("anybody", "anywhere")
    assert Query(group="").wants("web1", "") and not Query(group="").wants("web1", "app")


def test_nothing_but_a_wake_or_leave_to_wake_ever_wakes_a_machine() -> None:
    for verb, state, condition, linked in itertools.product(VERBS, State, Condition, (False, True)):
        step = plan(verb, state, condition, linked, wake=False).step
        assert (step in (Step.WAKE, Step.WAKE_THEN_SEND)) <= (verb == "wake")


def test_an_order_goes_out_only_by_an_open_link_or_after_a_wake() -> None:
    for verb, state, condition, linked, wake in itertools.product(
        VERBS, State, Condition, (False, True), (False, True)
    ):
        found = plan(verb, state, condition, linked, wake)
        if found.step is Step.SEND:
            assert linked and state in (State.AWAKE, State.RESTORING)
        if found.step in (Step.NOTHING, Step.NOT_DELIVERED):
            assert found.why


def test_who_sleeps_is_told_of_as_asleep() -> None:
    assert plan("reload", State.PROXIED, Condition.NAPPING, True, False) == (
        Step.NOT_DELIVERED,
        "is asleep, and the order may not wake it",
    )
    assert plan("nap", State.PROXIED, Condition.NAPPING, False, False) == (Step.NOTHING, "is napping")
    assert plan("reload", State.PROXIED, Condition.NAPPING, False, True).step is Step.WAKE_THEN_SEND
