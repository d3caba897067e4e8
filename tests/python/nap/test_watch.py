# SPDX-License-Identifier: GPL-3.0-or-later
"""Monitors together: one that hangs or fails counts as active, and holds nobody up for long."""

from __future__ import annotations

import asyncio
import contextlib
import time

import pytest

from powernap.machine import clocks
from powernap.nap import watch
from powernap.nap.monitors.base import Monitor
from powernap.nap.watch import Watch


class FakeMonitor(Monitor):
    kind = "fake"
    summary = "a monitor that does as it is told"

    def __init__(self, name, ask=None, look=None):
        super().__init__(name, {})
        self._ask, self._look = ask, look
        self.asked = 0

    async def ask(self):
        self.asked += 1
        if self._ask is not None:
            await self._ask()

    def look(self, now):
        if self._look is not None:
            raise self._look
        return self.reading(last_active=1.0)


async def hang():
    await asyncio.sleep(60)


async def hang_and_resist():
    for _turn in range(2):
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(20)


@pytest.fixture(autouse=True)
def _patience(monkeypatch):
    monkeypatch.setattr(watch, "ASK_SECONDS", 0.2)


def look(watched, times=1):
    async def run():
        results, took = [], []
        for _turn in range(times):
            began = time.monotonic()
            results.append({reading.name: reading for reading in (await watched.look(clocks.now))[1]})
            took.append(time.monotonic() - began)
            await asyncio.sleep(0.01)
        watched.close()
        return results, took

    return asyncio.run(run())


def test_one_that_hangs_counts_as_active_and_delays_the_others_only_so_long():
    (readings,), (took,) = look(Watch([FakeMonitor("stuck", hang), FakeMonitor("well")]))
    assert readings["stuck"].error == "it did not answer within 0.2 s"
    assert readings["well"].last_active == 1.0 and not readings["well"].error
    assert took < 20


def test_several_that_hang_are_waited_for_together():
    (readings,), (took,) = look(Watch([FakeMonitor(f"stuck{number}", hang) for number in range(30)]))
    assert all(reading.error for reading in readings.values())
    assert took < 5


def test_one_that_does_not_give_up_is_waited_for_once_and_not_asked_twice(monkeypatch):
    monkeypatch.setattr(watch, "ASK_SECONDS", 1.0)
    stuck = FakeMonitor("stuck", hang_and_resist)
    readings, took = look(Watch([stuck, FakeMonitor("well")]), times=3)
    assert all(reading["stuck"].error for reading in readings)
    assert readings[1]["stuck"].error.startswith("it has not answered for")
    assert took[0] < 15 and max(took[1:]) < 0.9
    assert stuck.asked == 1


def test_one_that_hung_is_asked_again_when_it_has_given_up():
    stuck = FakeMonitor("stuck", hang)
    readings, _took = look(Watch([stuck]), times=2)
    assert stuck.asked == 2 and all(reading["stuck"].error for reading in readings)


@pytest.mark.parametrize("where", ["ask", "look"])
def test_one_that_fails_counts_as_active_and_says_why(where):
    async def fail():
        raise OSError("the disk is gone")

    broken = FakeMonitor("broken", fail) if where == "ask" else FakeMonitor("broken", look=OSError("the disk is gone"))
    (readings,), _took = look(Watch([broken, FakeMonitor("well")]))
    assert readings["broken"].error == "the disk is gone"
    assert not readings["well"].error


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (PermissionError(13, "Permission denied", "/proc/locks"), "/proc/locks: Permission denied"),
        (OSError(61, "nobody counts the io of x.service"), "nobody counts the io of x.service"),
        (ValueError(), "ValueError"),
    ],
)
def test_what_the_kernel_refuses_is_said_without_its_number(error, said):
    (readings,), _took = look(Watch([FakeMonitor("broken", look=error)]))
    assert readings["broken"].error == said
