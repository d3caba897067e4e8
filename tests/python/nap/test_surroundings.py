# SPDX-License-Identifier: GPL-3.0-or-later
"""What steps' conditions are about is read, and watched, only where a step asks for it; what is not known stays so."""

from __future__ import annotations

import asyncio
import gc
import os
import time
from pathlib import Path

import pytest

from powernap.machine.power import PowerSupply
from powernap.nap import surroundings
from powernap.nap.conditions import Conditions, Surroundings, windows
from powernap.nap.policy import Policy, Step
from powernap.nap.surroundings import SurroundingsReader, at_wall_time

SUPPLY = PowerSupply(on_battery=True, battery_percent=40.0, lid_closed=False, external_display=True)
TIMED = Conditions(between=windows(("22:00-06:00",)))


def descriptors():
    return len(list(Path("/proc/self/fd").iterdir()))


def policy(*conditions):
    return Policy(steps=tuple(Step(60.0, "suspend", conditions=each) for each in conditions))


def read(of, power=None):
    """Return what is read, how often power was asked for, and how many descriptors watching took."""
    asked = []

    async def supply():
        asked.append(1)
        return SUPPLY

    async def run():
        gc.collect()  # what tests before have left open is not to be closed meanwhile
        reader = SurroundingsReader(asyncio.get_running_loop(), lambda: None)
        before = descriptors()
        reader.adopt(of)
        opened = descriptors() - before
        try:
            return await reader.read(power or supply), len(asked), opened
        finally:
            reader.close()
            assert descriptors() == before

    return asyncio.run(run())


def test_where_no_step_has_a_condition_nothing_is_asked_or_watched():
    assert read(policy(Conditions())) == (Surroundings(calls=True), 0, 0)


def test_what_the_kernel_tells_of_is_watched_by_one_socket_and_calls():
    around, asked, opened = read(policy(Conditions(power="mains"), Conditions(battery_below=20)))
    assert around == Surroundings(True, 40.0, False, True, calls=True)
    assert (asked, opened) == (1, 1)


def test_of_the_lid_nobody_tells_so_it_does_not_promise_to_call():
    around, asked, opened = read(policy(Conditions(lid="closed")))
    assert not around.calls and around.lid_closed is False
    assert (asked, opened) == (1, 0)


def test_the_time_of_day_comes_with_a_watched_clock_and_without_asking_for_power():
    around, asked, opened = read(policy(TIMED))
    local = time.localtime()
    assert around.weekday == local.tm_wday
    assert around.second_of_day == pytest.approx(local.tm_hour * 3600 + local.tm_min * 60 + local.tm_sec, abs=5)
    assert (asked, opened) == (0, 1)


def test_what_cannot_be_read_is_not_known_and_said(caplog):
    async def broken():
        raise RuntimeError("no such thing")

    around, _asked, _opened = read(policy(Conditions(power="mains")), broken)
    assert around.on_battery is None and not Conditions(power="mains").holds(around)
    assert "power, lid and screens cannot be read: no such thing" in caplog.text


def test_who_does_not_answer_holds_no_look_up(monkeypatch, caplog):
    monkeypatch.setattr(surroundings, "READ_SECONDS", 0.05)

    async def silent():
        await asyncio.sleep(60)

    begun = time.monotonic()
    around, _asked, _opened = read(policy(Conditions(battery_below=20)), silent)
    assert around.battery_percent is None
    assert time.monotonic() - begun < 30
    assert "cannot be read: TimeoutError" in caplog.text


def test_where_nobody_can_tell_of_changes_it_promises_no_call_and_says_so(monkeypatch, caplog):
    def refused(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(surroundings, "Uevents", refused)
    monkeypatch.setattr(surroundings, "WallClock", refused)
    around, _asked, _opened = read(policy(Conditions(power="mains"), TIMED))
    assert around.on_battery is True and not around.calls and around.second_of_day is not None
    assert "looked for every minute" in caplog.text
    assert "noticed at the next look only" in caplog.text


def test_another_policy_gives_up_what_the_last_one_watched():
    async def run():
        reader = SurroundingsReader(asyncio.get_running_loop(), lambda: None)
        before = descriptors()
        reader.adopt(policy(Conditions(power="mains"), TIMED))
        assert descriptors() == before + 2
        reader.adopt(policy(Conditions()))
        assert descriptors() == before

    asyncio.run(run())


@pytest.mark.skipif(os.geteuid() != 0, reason="asking the kernel for an event needs root")
def test_an_event_of_another_subsystem_is_no_reason_to_look():
    async def run():
        calls = []
        reader = SurroundingsReader(asyncio.get_running_loop(), lambda: calls.append(1))
        reader.adopt(policy(Conditions(power="mains")))
        Path("/sys/class/net/lo/uevent").write_text("change")
        await asyncio.sleep(0.2)
        reader.close()
        return calls

    assert asyncio.run(run()) == []


@pytest.mark.parametrize(
    ("zone", "wall", "weekday", "second"),
    [
        ("UTC", 0.0, 3, 0.0),
        ("UTC", 86399.75, 3, 86399.75),
        ("CET-1CEST,M3.5.0,M10.5.0/3", 1774745999.0, 6, 7199.0),  # the last second of winter time: 29 March 2026
        ("CET-1CEST,M3.5.0,M10.5.0/3", 1774746000.0, 6, 10800.0),  # an hour is missing
        ("XXX+12", 0.0, 2, 43200.0),  # still the day before
    ],
)
def test_the_time_of_day_is_the_local_one(monkeypatch, zone, wall, weekday, second):
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        around = at_wall_time(Surroundings(on_battery=True, calls=True), wall)
    finally:
        monkeypatch.undo()
        time.tzset()
    assert (around.weekday, around.second_of_day) == (weekday, second)
    assert around.on_battery and around.calls
