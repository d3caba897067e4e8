# SPDX-License-Identifier: GPL-3.0-or-later
"""The CPU monitor against the real kernel and against a fake /proc."""

from __future__ import annotations

import os
import time

import pytest

from powernap.machine import clocks
from powernap.nap.monitors.cpu import CpuMonitor


@pytest.fixture
def stat(tmp_path):
    (tmp_path / "proc").mkdir()

    def write(user=0, nice=0, system=0, idle=0, iowait=0, irq=0, softirq=0, steal=0):
        fields = (user, nice, system, idle, iowait, irq, softirq, steal, 0, 0)
        (tmp_path / "proc/stat").write_text("cpu  " + " ".join(map(str, fields)) + "\ncpu0 1 2 3\n")
        return tmp_path

    return write


TICKS = os.sysconf("SC_CLK_TCK")


def test_real_computing_is_seen():
    watcher = CpuMonitor("cpu", {"threshold": 20, "learn": False})
    watcher.look(clocks.now())
    end = time.monotonic() + 1.1
    while time.monotonic() < end:
        pass
    reading = watcher.look(clocks.now())
    assert reading.last_active is not None
    assert reading.value > 40 and reading.unit == "% of one CPU"


def test_half_a_cpu_is_50_percent_however_many_there_are(stat):
    watcher = CpuMonitor("cpu", {"threshold": 50}, stat())
    watcher.look(0.0)
    stat(user=2 * TICKS, system=3 * TICKS, idle=1000 * TICKS)
    reading = watcher.look(10.0)
    assert reading.value == 50 and reading.last_active is None
    assert reading.detail == "CPU use 50.0 % of one CPU, threshold 50.0 % of one CPU"


@pytest.mark.parametrize(
    ("values", "rate"),
    [({}, 10), ({"nice": False}, 0), ({"iowait": True}, 30), ({"iowait": True, "nice": False}, 20)],
)
def test_waiting_and_low_priority_count_as_chosen(stat, values, rate):
    watcher = CpuMonitor("cpu", values, stat())
    watcher.look(0.0)
    stat(nice=TICKS, iowait=2 * TICKS, steal=500 * TICKS)
    assert watcher.look(10.0).value == rate


def test_iowait_that_falls_a_little_is_no_activity(stat):
    watcher = CpuMonitor("cpu", {"iowait": True}, stat(iowait=1000 * TICKS))
    watcher.look(0.0)
    stat(iowait=999 * TICKS)
    assert watcher.look(10.0).value == 0


def test_a_strange_file_is_reported(tmp_path):
    (tmp_path / "proc").mkdir()
    for text in ("", "cpu\n", "cpu a b c d e f g\n", "intr 1 2 3 4 5 6 7 8\n"):
        (tmp_path / "proc/stat").write_text(text)
        with pytest.raises(OSError, match="time of all CPUs"):
            CpuMonitor("cpu", {}, tmp_path).look(1.0)
