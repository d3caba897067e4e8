# SPDX-License-Identifier: GPL-3.0-or-later
"""The pressure monitor: triggers of the real kernel; files in a fake /proc, where no trigger can be had."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from pathlib import Path

import pytest
from attached import attached
from fake_monitor import until

from powernap.machine import clocks
from powernap.nap.monitors import pressure as pressure_module
from powernap.nap.monitors.pressure import PressureMonitor

BURN = """
import os, time
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
end = time.monotonic() + 4
while time.monotonic() < end: pass
"""
QUIET = "some avg10={} avg60=9.00 avg300=9.00 total=12\nfull avg10={} avg60=9.00 avg300=9.00 total=5\n"


@pytest.fixture
def pressure(tmp_path):
    path = tmp_path / "proc/pressure/io"
    path.parent.mkdir(parents=True)
    path.touch()
    made = []

    def make(**values):
        made.append(PressureMonitor("wait", values, tmp_path))

        def look(some="0.00", full="0.00", text=None):
            path.write_text(QUIET.format(some, full) if text is None else text)
            return made[-1].look(100.0)

        return look

    yield make
    for each in made:
        each.close()


def contend():
    """Four for one CPU, however many this machine has."""
    return [subprocess.Popen([sys.executable, "-c", BURN]) for _ in range(4)]


def test_real_contention_is_remembered_by_the_kernel_and_calls_an_armed_monitor():
    if not Path("/proc/pressure/cpu").exists():
        pytest.skip("this kernel has no pressure stall information")
    values = {"resource": "cpu", "threshold": 10}
    sleeper, armed = PressureMonitor("sleeper", values), PressureMonitor("armed", values)

    async def run():
        async with attached(armed) as called:
            armed.arm()
            reading = armed.look(1.0)
            assert reading.calls and reading.source == "/proc/pressure/cpu, trigger"
            workers = contend()
            try:
                await asyncio.wait_for(called.wait(), 8)
            finally:
                for worker in workers:
                    worker.wait(20)

    sleeper.look(1.0)
    asyncio.run(run())
    for monitor in (sleeper, armed):
        reading = monitor.look(2.0)
        assert reading.last_active == 2.0
        assert reading.detail == "some tasks waited for cpu more than 10 % of 2 s since the last look"
        assert not reading.calls
        monitor.close()


def test_one_that_nobody_armed_keeps_the_time_and_calls_nobody(monkeypatch):
    if not Path("/proc/pressure/cpu").exists():
        pytest.skip("this kernel has no pressure stall information")
    monkeypatch.setattr(pressure_module, "PAUSE_SECONDS", 0.1)
    monitor = PressureMonitor("wait", {"resource": "cpu", "threshold": 10})

    async def run():
        async with attached(monitor) as called:
            begun = clocks.now()
            workers = contend()
            try:
                await until(lambda: monitor._last is not None)
                first = monitor._last
                await until(lambda: monitor._last > first)  # contention lasts, and it listens again
            finally:
                for worker in workers:
                    worker.kill()
                    worker.wait()
            fired = clocks.now()
            monkeypatch.setattr(monitor, "_take", lambda: False)  # whatever else goes on here
            monkeypatch.setattr(monitor, "_mean", lambda: 0.0)
            assert monitor.told() == monitor._last
            reading = monitor.look(fired + 1000)
            assert monitor.told() is None
            assert begun < reading.last_active <= fired
            assert not reading.counts and not reading.calls and not called.is_set()

    asyncio.run(run())


def test_a_window_that_the_kernel_refuses_leaves_the_looks_which_say_so():
    monitor = PressureMonitor("wait", {"resource": "cpu", "window_seconds": 3, "threshold": 99})
    try:
        reading = monitor.look(1.0)
        refused = "no trigger (Invalid argument)" in reading.source
        assert refused or reading.source.endswith("trigger")  # with CAP_SYS_RESOURCE it is taken
        assert reading.value is not None and reading.counts
    finally:
        monitor.close()


def test_the_mean_of_10_seconds_decides_where_there_is_no_trigger_in_a_fake_proc(pressure):
    look = pressure(threshold=10)
    reading = look("10.00")
    assert (reading.last_active, reading.value, reading.threshold, reading.unit) == (None, 10, 10, "%")
    reading = look("10.01")
    assert reading.last_active == 100.0
    assert "no trigger" in reading.source


def test_full_is_another_line_than_some_in_a_fake_proc(pressure):
    look = pressure(of="full")
    assert look(some="99.00", full="0.00").last_active is None
    assert look(some="0.00", full="11.00").last_active == 100.0


@pytest.mark.parametrize("text", ["", "some\n", "some avg10=x\n", "full avg10=99.00 avg60=1\n"])
def test_a_strange_file_is_reported_in_a_fake_proc(pressure, text):
    with pytest.raises(OSError, match="does not say what some tasks waited"):
        pressure()(text=text)


def test_a_kernel_without_pressure_counts_as_active_and_the_remedy_is_named(tmp_path):
    with pytest.raises(OSError, match=r"pressure/io cannot be read .*: boot with psi=1"):
        PressureMonitor("wait", {}, tmp_path).look(1.0)


def test_a_trigger_costs_little():
    """It is looked at, not waited for."""
    monitor = PressureMonitor("wait", {"resource": "cpu"})
    begun = time.process_time()
    for _ in range(100):
        monitor.look(1.0)
    monitor.close()
    assert time.process_time() - begun < 0.1
