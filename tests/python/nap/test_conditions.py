# SPDX-License-Identifier: GPL-3.0-or-later
"""When a step is allowed: every condition against everything that can be known."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from powernap.nap.conditions import DAYS, Conditions, Surroundings, next_look, windows

HOUR = 3600.0
DAY = 24 * HOUR
NIGHT = windows(("22:00-06:00",))


def at(day: str, hours: float) -> Surroundings:
    return Surroundings(weekday=DAYS.index(day), second_of_day=hours * HOUR)


@pytest.mark.parametrize(
    ("wanted", "on_battery", "holds"),
    [
        ("any", None, True), ("any", True, True), ("any", False, True),
        ("mains", None, False), ("mains", True, False), ("mains", False, True),
        ("battery", None, False), ("battery", True, True), ("battery", False, False),
    ],
)  # fmt: skip
def test_power(wanted, on_battery, holds):
    assert Conditions(power=wanted).holds(Surroundings(on_battery=on_battery)) is holds


@pytest.mark.parametrize(
    ("wanted", "closed", "holds"),
    [
        ("any", None, True), ("any", True, True), ("any", False, True),
        ("open", None, False), ("open", True, False), ("open", False, True),
        ("closed", None, False), ("closed", True, True), ("closed", False, False),
    ],
)  # fmt: skip
def test_lid(wanted, closed, holds):
    assert Conditions(lid=wanted).holds(Surroundings(lid_closed=closed)) is holds


@pytest.mark.parametrize(
    ("wanted", "external", "holds"),
    [
        ("any", None, True), ("any", True, True), ("any", False, True),
        ("external", None, False), ("external", True, True), ("external", False, False),
        ("none", None, False), ("none", True, False), ("none", False, True),
    ],
)  # fmt: skip
def test_display(wanted, external, holds):
    assert Conditions(display=wanted).holds(Surroundings(external_display=external)) is holds


@pytest.mark.parametrize(
    ("below", "percent", "holds"),
    [(0, None, True), (0, 100, True), (20, None, False), (20, 19.9, True), (20, 20.0, False), (100, 99.9, True)],
)
def test_battery(below, percent, holds):
    assert Conditions(battery_below=below).holds(Surroundings(battery_percent=percent)) is holds


@pytest.mark.parametrize(
    ("hours", "holds"),
    [(22, True), (21.999, False), (0, True), (23.999, True), (5.999, True), (6, False), (12, False)],
)
def test_a_part_of_the_day_that_passes_midnight(hours, holds):
    assert Conditions(between=NIGHT).holds(at("mon", hours)) is holds


@pytest.mark.parametrize(("hours", "holds"), [(7.999, False), (8, True), (17.999, True), (18, False)])
def test_a_part_of_one_day(hours, holds):
    assert Conditions(between=windows(("08:00-18:00",))).holds(at("sun", hours)) is holds


def test_several_parts_of_the_day_add_up():
    both = Conditions(between=windows(("08:00-09:00", "12:00-13:00")))
    assert [hours for hours in range(24) if both.holds(at("wed", hours))] == [8, 12]


def test_days_alone_last_from_midnight_to_midnight():
    weekend = Conditions(days=("sat", "sun"))
    assert [day for day in DAYS if weekend.holds(at(day, 0))] == ["sat", "sun"]
    assert weekend.holds(at("sun", 23.999)) and not weekend.holds(at("mon", 0))


def test_a_night_belongs_to_the_day_on_which_it_begins():
    friday = Conditions(between=NIGHT, days=("fri",))
    assert friday.holds(at("fri", 23)) and friday.holds(at("sat", 5))
    assert not friday.holds(at("fri", 5)) and not friday.holds(at("sat", 23))
    assert Conditions(between=NIGHT, days=("sun",)).holds(at("mon", 1))


def test_a_time_that_is_not_known_is_no_time():
    assert not Conditions(between=NIGHT).holds(Surroundings())
    assert Conditions(between=NIGHT).unmet(Surroundings()) == ("the local time is not known",)


def test_all_conditions_must_hold_and_each_that_does_not_is_said():
    both = Conditions(power="battery", battery_below=30, lid="closed", display="none", between=NIGHT)
    around = Surroundings(False, 50.0, False, True, 0, 12 * HOUR)
    assert both.unmet(around) == (
        "the machine runs on mains",
        "the battery is at 50 %, not below 30 %",
        "the lid is open",
        "an external screen is connected",
        "it is mon 12:00",
    )
    assert both.holds(Surroundings(True, 29.0, True, False, 0, 23 * HOUR))


@pytest.mark.parametrize("known", list(itertools.product([True, False, None], repeat=3)))
def test_nothing_asked_for_always_holds(known):
    assert Conditions().holds(Surroundings(known[0], None, known[1], known[2]))
    assert not Conditions() and Conditions(lid="open")


def test_what_decides_is_named():
    assert Conditions(power="mains", battery_below=5, between=NIGHT).facts == {"power", "battery"}
    assert Conditions(lid="open", display="none").facts == {"lid", "display"}
    assert Conditions(days=("mon",)).timed and not Conditions(lid="open").timed


@pytest.mark.parametrize(
    ("conditions", "around", "seconds"),
    [
        (Conditions(), at("mon", 3), None),
        (Conditions(lid="open"), at("mon", 3), None),
        (Conditions(between=NIGHT), Surroundings(), None),
        (Conditions(between=NIGHT), at("mon", 12), 10 * HOUR),
        (Conditions(between=NIGHT), at("mon", 22), 8 * HOUR),
        (Conditions(between=NIGHT), at("mon", 1), 5 * HOUR),
        (Conditions(between=windows(("00:00-12:00", "12:00-23:00"))), at("mon", 1), 22 * HOUR),
        (Conditions(days=("wed",)), at("mon", 0), 48 * HOUR),
        (Conditions(days=("mon",)), at("tue", 0), 6 * DAY),
        (Conditions(days=DAYS), at("tue", 0), None),
        (Conditions(between=NIGHT, days=("fri",)), at("fri", 0), 22 * HOUR),
        (Conditions(between=NIGHT, days=("fri",)), at("sat", 6), 6 * DAY + 16 * HOUR),
    ],
)
def test_the_next_change_of_the_time_of_day(conditions, around, seconds):
    assert conditions.next_change(around) == seconds


texts = st.builds(
    lambda a, b: f"{a // 60:02d}:{a % 60:02d}-{b // 60:02d}:{b % 60:02d}",
    st.integers(0, 1439),
    st.integers(0, 1439),
).filter(lambda text: text[:5] != text[6:])


@given(
    between=st.lists(texts, max_size=3),
    days=st.sets(st.sampled_from(DAYS)),
    weekday=st.integers(0, 6),
    second=st.floats(0, DAY, exclude_max=True),
    part=st.floats(0, 0.999),
)
def test_until_the_next_change_nothing_changes_and_then_it_does(between, days, weekday, second, part):
    conditions = Conditions(between=windows(tuple(between)), days=tuple(days))
    around = Surroundings(weekday=weekday, second_of_day=second)
    seconds = conditions.next_change(around)
    now = conditions.holds(around)
    if seconds is None:
        assert all(conditions.holds(around.later(hours * HOUR)) == now for hours in range(8 * 24))
        return
    assert 0 < seconds <= 8 * DAY
    assert conditions.holds(around.later(seconds + 0.001)) != now
    assert conditions.holds(around.later(seconds * part)) == now


def test_a_change_far_ahead_is_looked_for_an_hour_early_as_clocks_are_put_forward():
    assert next_look(10 * HOUR) == 9 * HOUR
    assert next_look(HOUR) == HOUR
    assert next_look(5.0) == 5.0
