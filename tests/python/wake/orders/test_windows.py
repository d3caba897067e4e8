# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from datetime import datetime, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from powernap.wake.orders.windows import BadWindow, parse_window

BERLIN = ZoneInfo("Europe/Berlin")


def at(text: str, zone: timezone | ZoneInfo = timezone.utc) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()


def test_working_hours() -> None:
    window = parse_window("Mon-Fri 07:00-19:00 UTC")
    assert not window.holds(at("2026-11-23T06:59:59"))  # a Monday
    assert window.holds(at("2026-11-23T07:00"))
    assert window.ends_at(at("2026-11-23T12:00")) == at("2026-11-23T19:00")
    assert not window.holds(at("2026-11-23T19:00"))
    assert not window.holds(at("2026-11-28T12:00"))
    assert window.next_at(at("2026-11-27T12:00")) == at("2026-11-30T07:00")


def test_one_that_passes_midnight_belongs_to_the_day_on_which_it_began() -> None:
    window = parse_window("Fri 22:00-06:00 UTC")
    assert window.holds(at("2026-11-27T23:00")) and window.holds(at("2026-11-28T05:59"))
    assert not window.holds(at("2026-11-28T23:00"))
    assert not window.holds(at("2026-11-27T05:00"))


def test_a_whole_day_and_days_around_the_end_of_a_week() -> None:
    window = parse_window("Sat-Mon,Wed 00:00-24:00 UTC")
    held = [day for day in range(23, 30) if window.holds(at(f"2026-11-{day}T12:00"))]
    assert held == [23, 25, 28, 29]


def test_every_day_where_none_is_named() -> None:
    assert parse_window("07:00-08:00 UTC").days == frozenset(range(7))


def test_the_clock_on_the_wall_counts_when_it_is_put_forward() -> None:
    window = parse_window("Sun 02:30-05:00 Europe/Berlin")
    # 2026-03-29: from 02:00 to 03:00 there is no time.
    assert not window.holds(at("2026-03-29T01:20", BERLIN))
    assert window.holds(at("2026-03-29T04:00", BERLIN))
    assert window.ends_at(at("2026-03-29T04:00", BERLIN)) == at("2026-03-29T05:00", BERLIN)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Mon",
        "07:00",
        "7:00-8:00",
        "Mon-Fry 07:00-08:00",
        "07:00-07:00",
        "24:00-07:00",
        "07:60-08:00",
        "25:00-26:00",
    ],
)
def test_what_is_no_window_is_refused_in_one_sentence(text: str) -> None:
    with pytest.raises(BadWindow) as found:
        parse_window(text)
    assert repr(text) in str(found.value) and "\n" not in str(found.value)


def test_a_time_zone_that_nobody_knows_is_named() -> None:
    with pytest.raises(BadWindow, match="Mars/Olympus"):
        parse_window("07:00-08:00 Mars/Olympus")


MINUTES = st.integers(0, 1439)


@given(
    st.lists(st.sampled_from(["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]), min_size=1, unique=True),
    MINUTES,
    MINUTES,
    st.sampled_from(["", " UTC", " Europe/Berlin", " America/New_York"]),
    st.integers(1_700_000_000, 1_900_000_000),
)
def test_what_begins_next_holds_then_and_what_holds_ends_later(
    days: list[str], begins: int, ends: int, zone: str, now: int
) -> None:
    if begins == ends:
        return
    text = f"{','.join(days)} {begins // 60:02}:{begins % 60:02}-{ends // 60:02}:{ends % 60:02}{zone}"
    window = parse_window(text)
    following = window.next_at(now)
    assert now < following <= now + 8 * 86400
    end = window.ends_at(now)
    assert end is None or now < end <= now + 25 * 3600 + 1
    if (ends - begins) % 1440 > 180:  # longer than any change of the clock
        assert window.holds(following + 1)
