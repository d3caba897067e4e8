# SPDX-License-Identifier: GPL-3.0-or-later
"""The load monitor."""

from __future__ import annotations

import os

import pytest

from powernap.nap.monitors import load
from powernap.nap.monitors.load import LoadMonitor


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
