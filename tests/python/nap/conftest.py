# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of the client share."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # pytest's importlib mode does not do it
from fake_logind import FakeLogind
from fake_monitor import FakeMonitor, Inside
from guarded import write
from plain_knobs import Board
from real_machine import Machine, Segment
from simulated import Source, World

from powernap.nap import watch
from powernap.nap.preparation import Preparation
from powernap.nap.sleepguard import SleepGuard


@pytest.fixture(scope="session")
def world():
    return World


@pytest.fixture(scope="session")
def source():
    return Source


@pytest.fixture
def segment():
    if os.geteuid() != 0:
        pytest.skip("making network namespaces needs root")
    made = Segment(f"pnn{os.getpid()}")
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def machine(tmp_path, segment):
    made = Machine(tmp_path, segment)
    made.write()
    yield made
    made.close()


@pytest.fixture
def running(tmp_path, monkeypatch):
    """A Daemon in this process, with FakeMonitors: ``async with running() as (daemon, monitor)``."""
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path}/none")
    monkeypatch.setattr(watch, "KINDS", {"process": FakeMonitor})

    async def touch_no_card(_self):
        return ()

    async def sleep_never(_self, action):
        raise AssertionError(f"{action} was ordered from the machine that runs the tests")

    monkeypatch.setattr(Preparation, "arm", touch_no_card)
    monkeypatch.setattr(SleepGuard, "order", sleep_never)
    FakeMonitor.made = []
    return Inside(tmp_path)


@pytest.fixture
def logind(tmp_path, monkeypatch):
    (tmp_path / "logind").mkdir()
    made = FakeLogind(tmp_path / "logind")
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", made.address)
    yield made
    made.close()


@pytest.fixture
def no_bus(tmp_path, monkeypatch):
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path}/nobody")


@pytest.fixture
def root(tmp_path):
    """A machine's tree that can sleep, and has a clock and a count of wake-up events."""
    made = tmp_path / "root"
    for path, text in {
        "sys/power/state": "freeze mem",
        "sys/power/wakeup_count": "7",
        "sys/class/rtc/rtc0/wakealarm": "",
        "sys/class/rtc/rtc0/since_epoch": "1000",
    }.items():
        write(made, path, text)
    return made


@pytest.fixture
def board(tmp_path):
    return Board(tmp_path)
