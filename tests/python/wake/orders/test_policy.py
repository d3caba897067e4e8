# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may nap, case by case; test_keeper.py has the races."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from powernap.wake.orders.policy import Asker, Dependencies, Group, Refusal, Rules, may_nap
from powernap.wake.orders.windows import parse_window

NOON = 1_795_435_200.0  # Monday 2026-11-23 12:00 UTC
WEBS = Group("web", 3, 3)
WEB = Asker("web1", counted=True)


def refusal(rules: Rules, group: Group = WEBS, asker: Asker = WEB, now: float = NOON) -> Refusal:
    found = may_nap(asker, group, rules, now)
    assert found is not None and "\n" not in found.why and found.again_seconds > 0
    return found


def test_without_rules_everybody_may() -> None:
    assert may_nap(WEB, Group("web", 1, 1), Rules(), NOON) is None


@given(
    st.integers(0, 20), st.integers(0, 100), st.integers(0, 20), st.integers(0, 20), st.integers(0, 20), st.booleans()
)
def test_nobody_is_let_go_where_fewer_than_are_kept_would_be_left(
    keep: int, percent: int, machines: int, up: int, leaving: int, counted: bool
) -> None:
    rules = Rules(keep=keep, keep_percent=percent)
    found = may_nap(Asker("web1", counted), Group("web", machines, up, leaving), rules, NOON)
    left = up - leaving - counted
    least = max(keep, -(-machines * percent // 100))
    assert (found is None) == (not (keep or percent) or left >= least)


def test_a_part_of_the_machines_is_rounded_up() -> None:
    assert Rules(keep_percent=34).least(3) == 2
    assert Rules(keep_percent=100).least(7) == 7
    assert Rules(keep=2, keep_percent=10).least(10) == 2


def test_the_refusal_says_who_is_on_the_way() -> None:
    assert "1 more on their way to sleep" in refusal(Rules(keep=2), Group("web", 3, 3, 1)).why


def test_times_at_which_naps_are_not_allowed_say_when_to_ask_again() -> None:
    hours = (parse_window("Mon-Fri 07:00-19:00 UTC"),)
    assert refusal(Rules(must_not=hours)).again_seconds == 7 * 3600
    assert refusal(Rules(up=hours)).again_seconds == 7 * 3600
    assert may_nap(WEB, Group("web"), Rules(must_not=hours), NOON + 7 * 3600) is None


def test_times_at_which_alone_naps_are_allowed() -> None:
    nights = (parse_window("19:00-07:00 UTC"),)
    assert refusal(Rules(may=nights)).again_seconds == 7 * 3600
    assert may_nap(WEB, Group("web"), Rules(may=nights), NOON + 8 * 3600) is None


def test_whoever_is_needed_stays() -> None:
    assert "group app" in refusal(Rules(), asker=Asker("db1", True, needed_by=("app",))).why
    assert "not known yet" in refusal(Rules(), asker=Asker("db1", True, doubtful=("app",))).why


def test_a_machine_whose_canary_failed_stays_whatever_the_rules() -> None:
    found = refusal(Rules(), asker=Asker("web1", True, mark="did not wake within 30 s"))
    assert "did not wake within 30 s" in found.why and "--clear web1" in found.why


def test_a_turn_that_is_not_yet_due() -> None:
    assert refusal(Rules(naps_per_minute=6), Group("web", 3, 3, tokens_at=NOON + 9)).again_seconds == 9


def test_who_needs_whom() -> None:
    needs = Dependencies({"app": ("db1", "@storage"), "storage": ("switch1",)})
    assert needs.of("app") == ("db1", "@storage") and needs.of("") == ()
    assert needs.needing("db1", "") == ("app",)
    assert needs.needing("nas1", "storage") == ("app",)
    assert needs.needing("switch1", "") == ("storage",)
    assert needs.needing("web1", "web") == ()


@pytest.mark.parametrize(
    ("needs", "circle"),
    [
        ({"a": ("@b",), "b": ("@a",)}, ("a", "b", "a")),
        ({"a": ("@a",)}, ("a", "a")),
        ({"a": ("@b",), "b": ("@c",), "c": ("@b",)}, ("b", "c", "b")),
        ({"a": ("@b", "x"), "b": ("@c",), "c": ("a",)}, ()),
    ],
)
def test_groups_that_need_each_other(needs: dict[str, tuple[str, ...]], circle: tuple[str, ...]) -> None:
    assert Dependencies(needs).circle() == circle


def test_nobody_naps_whose_kind_is_not_proven_though_there_are_no_rules() -> None:
    found = refusal(Rules(), asker=Asker("web1", counted=True, unproven="no machine of group web has proven it"))
    assert found.why == "no machine of group web has proven it"
