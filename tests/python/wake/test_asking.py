# SPDX-License-Identifier: GPL-3.0-or-later
"""How many hosts one source may wake."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from tests.python.wake.play import DESK4, DESK6

from powernap.wake import asking
from powernap.wake.asking import Asking


def test_a_scan_wakes_as_many_as_allowed_and_then_some_each_minute() -> None:
    limit = Asking(30)
    assert sum(limit.may_wake(DESK4, 1000.0) for _ in range(1000)) == 30
    assert sum(limit.may_wake(DESK4, 1000.0 + second) for second in range(1, 61)) == 30
    assert sum(limit.may_wake(DESK4, 5000.0) for _ in range(1000)) == 30


def test_each_source_has_its_own_limit() -> None:
    limit = Asking(1)
    assert limit.may_wake(DESK4, 0.0) and not limit.may_wake(DESK4, 0.0)
    assert limit.may_wake(DESK6, 0.0)


def test_none_means_no_limit() -> None:
    limit = Asking(0)
    assert all(limit.may_wake(DESK4, 0.0) for _ in range(1000))


def test_a_clock_that_steps_back_gives_nothing() -> None:
    limit = Asking(1)
    assert limit.may_wake(DESK4, 100.0)
    assert not limit.may_wake(DESK4, 50.0)


def test_a_flood_of_sources_costs_no_more_memory_and_the_busy_one_stays_limited() -> None:
    limit = Asking(1)
    assert limit.may_wake(DESK4, 0.0)
    for number in range(asking._MOST * 2):
        limit.may_wake(number.to_bytes(4, "big"), 0.0)
        assert not limit.may_wake(DESK4, 0.0)
    assert len(limit._buckets) <= asking._MOST


@given(st.integers(1, 100), st.lists(st.floats(0, 30), max_size=200))
def test_never_more_than_the_burst_and_the_rate(rate: int, gaps: list[float]) -> None:
    limit, now, woken = Asking(rate), 0.0, 0
    for gap in gaps:
        now += gap
        woken += limit.may_wake(DESK4, now)
    assert woken <= rate + now * rate / 60 + 1e-6
