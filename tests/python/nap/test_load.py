# SPDX-License-Identifier: GPL-3.0-or-later
"""The load monitor."""

from __future__ import annotations

import os

from powernap.nap.monitors.load import LoadMonitor


def test_load_above_the_threshold_is_active(monkeypatch):
    monkeypatch.setattr(os, "getloadavg", lambda: (1.5, 0.0, 0.0))
    reading = LoadMonitor("load", {"threshold": 1}).look(100.0)
    assert reading.active_now and reading.last_active == 100.0
    assert reading.detail == "load 1.50, threshold 1"


def test_load_at_the_threshold_is_not(monkeypatch):
    monkeypatch.setattr(os, "getloadavg", lambda: (1.0, 9.0, 9.0))
    assert LoadMonitor("load", {"threshold": 1}).look(100.0).last_active is None


def test_n_is_the_number_of_cpus(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    monkeypatch.setattr(os, "getloadavg", lambda: (7.9, 0.0, 0.0))
    assert LoadMonitor("load", {"threshold": "n"}).look(1.0).detail == "load 7.90, threshold 8"


def test_the_real_load_can_be_read():
    assert LoadMonitor("load", {}).look(1.0).counts
