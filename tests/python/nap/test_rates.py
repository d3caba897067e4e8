# SPDX-License-Identifier: GPL-3.0-or-later
"""Rates of counters, and the learned noise floor."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from powernap.nap.rates import ENOUGH, MEMORY, Counters, RateGauge, increase, say

AMOUNTS = st.integers(0, 10**12)
SECONDS = st.floats(1.0, 1e5)


def test_the_first_look_has_nothing_to_compare_with():
    verdict = RateGauge(10).look(100.0, {"eth0": 10**9})
    assert not verdict.active and verdict.detail("bytes/s") == "nothing to compare with yet"


def test_a_rate_is_the_mean_over_the_time_between_two_looks():
    counters = Counters()
    counters.rates(100.0, {"eth0": 1000})
    assert counters.rates(110.0, {"eth0": 6000}) == (10.0, {"eth0": 500.0})
    assert counters.rates(130.0, {"eth0": 6000}) == (20.0, {"eth0": 0.0})


@given(st.lists(st.tuples(SECONDS, AMOUNTS), min_size=1, max_size=20))
def test_no_amount_is_lost_or_counted_twice(steps):
    counters, now, value, total = Counters(), 0.0, 5.0, 0.0
    counters.rates(now, {"x": value})
    for seconds, amount in steps:
        now, value = now + seconds, value + amount
        over, rates = counters.rates(now, {"x": value})
        total += over * rates["x"]
    assert total == pytest.approx(sum(amount for _seconds, amount in steps), rel=1e-6, abs=1e-3)


@given(st.lists(st.tuples(st.floats(0, 1e4), st.integers(0, 2**40), st.floats(0, 5)), max_size=30))
def test_whatever_the_counters_do_a_rate_is_never_negative_nor_infinite(steps):
    counters, now = Counters(), 0.0
    for later, value, slept in steps:
        now += later - 100
        _seconds, rates = counters.rates(now, {"x": value}, slept)
        assert all(0 <= rate <= 2**41 for rate in rates.values())


def test_a_frame_within_a_tenth_of_a_second_is_no_high_rate_and_is_not_lost():
    counters = Counters()
    counters.rates(100.0, {"x": 0})
    assert counters.rates(100.1, {"x": 60})[1] == {"x": 60.0}
    assert counters.rates(100.9, {"x": 100})[1] == {"x": 100.0}
    assert counters.rates(102.0, {"x": 100})[1] == {"x": 50.0}


def test_a_counter_of_32_bits_that_wraps_goes_on():
    assert increase(2**32 - 100, 50) == 150


@given(AMOUNTS, AMOUNTS)
def test_a_counter_that_was_reset_counts_at_least_what_came_since(before, after):
    assert increase(before, after) >= (after - before if after >= before else after)


def test_the_time_asleep_does_not_thin_a_rate_out():
    gauge = RateGauge(10)
    gauge.look(0.0, {"x": 0})
    assert gauge.look(8 * 3600.0, {"x": 10**6}, slept=8 * 3600.0 - 1).name == ""
    assert gauge.look(8 * 3600.0 + 10, {"x": 10**6 + 200}).active


def test_a_clock_that_goes_back_begins_anew():
    gauge = RateGauge(10)
    gauge.look(1000.0, {"x": 0})
    assert gauge.look(500.0, {"x": 10**6}).name == ""
    assert gauge.look(510.0, {"x": 10**6 + 200}).rate == 20.0


def test_a_source_that_appears_counts_from_zero_and_one_that_vanishes_is_no_failure():
    gauge = RateGauge(10)
    gauge.look(0.0, {"eth0": 5})
    assert gauge.look(10.0, {"eth0": 5, "eth1": 500}).detail("bytes/s") == "eth1 50 B/s, threshold 10 B/s"
    assert not gauge.look(20.0, {}).active


def test_a_rate_at_the_threshold_is_no_activity_and_above_it_is():
    gauge = RateGauge(10)
    gauge.look(0.0, {"x": 0})
    assert not gauge.look(10.0, {"x": 100}).active
    assert gauge.look(20.0, {"x": 201}).active


class Source:
    """One counter under a gauge that looks every 60 s."""

    def __init__(self, gauge):
        self.gauge, self.now, self.value = gauge, 0.0, 0.0
        gauge.look(0.0, {"x": 0})

    def run(self, *rates, others_active=False):
        for rate in rates:
            self.now, self.value = self.now + 60, self.value + 60 * rate
            self.verdict = self.gauge.look(self.now, {"x": self.value}, others_active=others_active)
        return self.verdict


def test_noise_below_the_threshold_raises_it():
    source = Source(RateGauge(100, learn=True))
    verdict = source.run(*[80] * (ENOUGH + 1), 170)
    assert not verdict.active
    assert verdict.detail("bytes/s") == "x 170 B/s, threshold 180 B/s = noise 80 B/s (median of 11 looks) + 100 B/s"
    assert source.run(181).active


def test_nothing_is_learned_from_a_few_looks():
    assert Source(RateGauge(100, learn=True)).run(*[80] * (ENOUGH - 1), 101).active


def test_nothing_is_learned_while_something_else_is_active():
    source = Source(RateGauge(100, learn=True))
    source.run(*[80] * 50, others_active=True)
    assert source.run(101).active


def test_nothing_is_learned_without_being_asked():
    assert Source(RateGauge(100)).run(*[80] * 50, 101).active


def test_noise_above_the_threshold_is_learned_where_the_limit_is_raised_and_only_up_to_it():
    source = Source(RateGauge(10, learn=True, noise_limit=200))
    assert source.run(*[150] * ENOUGH).active
    assert not source.run(150, 155).active
    assert source.run(*[201] * MEMORY).active


@given(st.lists(st.floats(0, 1e6), max_size=200), st.floats(1, 1e5), st.integers(1, 50))
def test_a_steady_rate_above_the_threshold_and_all_noise_is_never_learned_away(before, threshold, looks):
    source = Source(RateGauge(threshold, learn=True))
    if before:
        source.run(*before)
    assert all(source.run(2 * threshold + 1).active for _ in range(looks))


def test_a_few_bursts_do_not_move_the_floor_and_old_noise_is_forgotten():
    source = Source(RateGauge(100, learn=True))
    source.run(*([20, 20, 95] * 20))
    assert source.run(20).floor == 20
    assert source.run(*[0] * MEMORY).floor == 0


def test_rates_are_said_for_people():
    assert [say(rate, "bytes/s") for rate in (0, 999, 1234, 5.6e6)] == ["0 B/s", "999 B/s", "1.2 kB/s", "5.6 MB/s"]
    assert say(12.34, "%") == "12.3 %"
