# SPDX-License-Identifier: GPL-3.0-or-later
"""The load monitor."""

from __future__ import annotations

import os
import random

import pytest

from powernap.nap.monitors import load
from powernap.nap.monitors.load import LoadMonitor, quiet_seconds


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


@pytest.mark.parametrize("text", ["", "busy 0.00\n"])
def test_a_strange_file_is_reported(loadavg, text):
    loadavg.write_text(text)
    with pytest.raises(OSError, match="does not begin with a load"):
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
