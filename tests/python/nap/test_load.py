# SPDX-License-Identifier: GPL-3.0-or-later
"""The load monitor."""

from __future__ import annotations

import os
import random
from itertools import pairwise

import pytest

from powernap.nap.monitors import load
from powernap.nap.monitors.load import (
    DISTRUST_SECONDS,
    TRUST,
    Averages,
    LoadMonitor,
    quiet_seconds,
    quiet_since,
    serves_seconds,
)


@pytest.fixture
def loadavg(tmp_path, monkeypatch):
    monkeypatch.setattr(load, "LOADAVG", tmp_path / "loadavg")
    return tmp_path / "loadavg"


def test_load_above_the_threshold_is_active(loadavg):
    loadavg.write_text("1.50 0.00 0.00 1/50 1000\n")
    reading = LoadMonitor("load", {"threshold": 1}).look(100.0)
    assert reading.active_now and reading.last_active == 100.0
    assert reading.detail == "load 1.50, threshold 1"


def test_load_at_the_threshold_is_not(loadavg):
    loadavg.write_text("1.00 9.00 9.00 1/50 1000\n")
    assert LoadMonitor("load", {"threshold": 1}).look(100.0).last_active is None


def test_n_is_the_number_of_cpus(monkeypatch, loadavg):
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    loadavg.write_text("7.90 0.00 0.00 1/50 1000\n")
    assert LoadMonitor("load", {"threshold": "n"}).look(1.0).detail == "load 7.90, threshold 8"


def test_the_real_load_can_be_read():
    assert LoadMonitor("load", {}).look(1.0).counts


@pytest.mark.parametrize("text", ["", "busy 0.00\n", "0.00\n"])
def test_a_strange_file_is_reported(loadavg, text):
    loadavg.write_text(text)
    with pytest.raises(OSError, match="does not begin with two loads"):
        LoadMonitor("load", {}).look(1.0)


def test_how_low_the_load_is_tells_when_it_was_high_at_the_latest(loadavg):
    monitor = LoadMonitor("load", {"threshold": 1})
    loadavg.write_text("3.00 0.00 0.00 1/50 1000\n")
    monitor.look(100.0)
    loadavg.write_text("0.05 0.00 0.00 1/50 1000\n")
    assert monitor.look(400.0).last_active == pytest.approx(400.0 - 160.8, abs=1)
    loadavg.write_text("0.90 0.00 0.00 1/50 1000\n")
    assert monitor.look(700.0).last_active == pytest.approx(400.0 - 160.8, abs=1)  # it was not above since


def test_it_was_not_high_before_the_look_that_saw_it_so(loadavg):
    monitor = LoadMonitor("load", {"threshold": 1})
    loadavg.write_text("1.01 0.00 0.00 1/50 1000\n")
    monitor.look(100.0)
    loadavg.write_text("0.00 0.00 0.00 1/50 1000\n")
    assert monitor.look(110.0).last_active == 100.0


def test_a_quiet_machine_needs_no_look_for_minutes_and_a_busier_one_does(loadavg):
    def serves(text, threshold=2):
        loadavg.write_text(text)
        return LoadMonitor("load", {"threshold": threshold}).look(100.0).serves

    assert serves("0.00 0.01 0.05 1/50 1000\n") > 300
    assert serves("0.02 1.90 1.95 1/50 1000\n") > 300, "what was before is known"
    assert serves("0.50 0.40 0.40 1/50 1000\n") < 100
    assert serves("2.50 0.40 0.40 1/50 1000\n") == 0
    assert serves("0.00 0.00 0.00 1/50 1000\n", threshold=0.1) < 60


def test_a_look_that_serves_for_minutes_sees_what_was_in_between(loadavg):
    monitor = LoadMonitor("load", {"threshold": 2})
    loadavg.write_text("0.00 0.10 0.05 1/50 1000\n")
    assert monitor.look(100.0).serves >= 300
    loadavg.write_text("0.10 0.75 0.30 1/50 1000\n")  # 300 s later: 3 tasks ran for a minute
    reading = monitor.look(400.0)
    assert 100 < reading.last_active < 300
    assert reading.serves == 0, "once wrong, it is not trusted"


def test_what_remains_of_an_earlier_load_is_no_activity(loadavg):
    monitor = LoadMonitor("load", {"threshold": 2})
    loadavg.write_text("0.05 0.60 0.70 1/50 1000\n")
    assert monitor.look(100.0).serves >= 240
    loadavg.write_text("0.02 0.24 0.50 1/50 1000\n")
    assert monitor.look(400.0).last_active is None


def test_trust_comes_back_later_each_time_until_there_was_activity(loadavg):
    monitor = LoadMonitor("load", {"threshold": 2})
    now, waits = 0.0, []
    for _turn in range(3):
        loadavg.write_text("0.00 0.00 0.00 1/50 1000\n")
        while not monitor.look(now).serves:
            now += 60
        waits.append(now)
        loadavg.write_text("0.10 0.75 0.30 1/50 1000\n")
        monitor.look(now + 300)
    first, second = (later - sooner for sooner, later in pairwise(waits))
    assert first == pytest.approx(DISTRUST_SECONDS, abs=400)
    assert second == pytest.approx(2 * DISTRUST_SECONDS, abs=400)
    loadavg.write_text("3.00 0.75 0.30 1/50 1000\n")
    monitor.look(now + 600)
    loadavg.write_text("0.00 0.00 0.00 1/50 1000\n")
    monitor.look(now + 3 * DISTRUST_SECONDS)
    assert not monitor.look(now + 3 * DISTRUST_SECONDS).serves
    assert monitor.look(now + 9 * DISTRUST_SECONDS).serves


def test_a_steady_load_below_the_threshold_is_never_taken_for_activity():
    for threshold in (0.5, 1, 2, 16):
        for minute in (0.0, 0.05, 0.2, 0.4, 0.9, 1.5, 10.0):
            if minute >= threshold:
                continue
            before = Averages(minute, minute, 0.0)
            serves = serves_seconds(before, threshold)
            after = Averages(minute + 0.01, minute + 0.01, TRUST * serves)
            assert serves == 0 or quiet_since(before, after, threshold) >= TRUST * serves


@pytest.mark.parametrize("seed", range(20))
def test_the_kernels_arithmetic_never_falls_faster_than_that(seed):
    """calc_load and get_avenrun, of kernel/sched/loadavg.c, every 5 s in 11 bits."""
    chance = random.Random(seed)
    threshold, tasks, load, high_at = chance.choice([0.1, 0.5, 2, 8, 64]), 0, 0, float("-inf")
    for now in range(0, 20_000, 5):
        if chance.random() < 0.03:
            tasks = chance.choice([0, 0, 0, 1, round(2 * threshold) + 1])
        grown = load * 1884 + (tasks << 11) * (2048 - 1884)
        load = (grown + (2047 if tasks << 11 >= load else 0)) >> 11
        shown = ((load + 2048 // 200) * 100 >> 11) / 100
        if shown > threshold:
            high_at = now + 5.0
        else:
            assert now - high_at >= quiet_seconds(shown, threshold)


def fall(fraction, steps):
    """fixed_power_int of kernel/sched/loadavg.c: so many steps of an idle machine at once."""
    result = 2048
    while steps:
        if steps & 1:
            result = (result * fraction + 1024) >> 11
        fraction = (fraction * fraction + 1024) >> 11
        steps >>= 1
    return result


@pytest.mark.parametrize("seed", range(60))
def test_nor_does_the_average_of_5_minutes_which_rises_with_it(seed):
    """As above, with a machine that may sleep through many ticks when it is idle, and looks of minutes apart."""
    chance = random.Random(seed)
    threshold, tasks, averages = chance.choice([0.5, 1, 2, 8, 64]), 0, [0, chance.randrange(8 << 11)]
    high_at, looked, now, proved = float("-inf"), None, 0, 0
    while now < 60_000:
        if chance.random() < 0.02:
            tasks = chance.choice([0, 0, 0, 0, 0, 1, round(1.2 * threshold) + 1, round(20 * threshold)])
        steps = chance.randrange(1, 20) if tasks == 0 and seed % 2 else 1
        now += 5 * steps
        for index, fraction in enumerate((1884, 2014)):
            kept = fall(fraction, steps)
            grown = averages[index] * kept + (tasks << 11) * (2048 - kept)
            averages[index] = (grown + (2047 if tasks << 11 >= averages[index] else 0)) >> 11
        minute, five = (((average + 2048 // 200) * 100 >> 11) / 100 for average in averages)
        if minute > threshold:
            high_at = now + 5.0
        if looked is None or chance.random() < 0.03:
            after = Averages(minute, five, float(now))
            if looked is not None and minute <= threshold and looked.minute <= threshold:
                quiet = quiet_since(looked, after, threshold)
                proved += quiet >= now - looked.at
                assert high_at <= looked.at or now - high_at >= quiet
            looked = after
    assert proved or threshold <= 1
