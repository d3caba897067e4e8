# SPDX-License-Identifier: GPL-3.0-or-later
"""Telling a sleep by the distance of two clocks."""

from __future__ import annotations

from powernap.machine import clocks


def test_a_gap_between_the_clocks_is_the_time_slept_and_is_told_once(monkeypatch):
    distance = [100.0]
    monkeypatch.setattr(clocks, "_distance", lambda: distance[0])
    gauge = clocks.SleepGauge()
    assert gauge.slept() == 0.0
    distance[0] += 3600.0
    assert gauge.slept() == 3600.0
    assert gauge.slept() == 0.0


def test_rounding_is_no_sleep(monkeypatch):
    distance = [100.0]
    monkeypatch.setattr(clocks, "_distance", lambda: distance[0])
    gauge = clocks.SleepGauge()
    distance[0] += 0.01
    assert gauge.slept() == 0.0


def test_the_real_clocks_run_together():
    gauge = clocks.SleepGauge()
    assert gauge.slept() == 0.0
    assert clocks.now() > 0
