# SPDX-License-Identifier: GPL-3.0-or-later
"""The timerfd that tells that the wall's clock is set, with the real kernel up to the edge.

What is missing: that the kernel cancels it. That takes setting the clock of the machine that the tests run on (time
namespaces do not hold CLOCK_REALTIME), so read(2)'s ECANCELED is put in by hand.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import os
import time
from pathlib import Path

import pytest

from powernap.machine import wallclock
from powernap.machine.wallclock import FAR, WallClock


def told(fd: int) -> dict[str, str]:
    """What the kernel says of a timerfd: proc_pid_fdinfo(5)."""
    lines = Path(f"/proc/self/fdinfo/{fd}").read_text().splitlines()
    return {key.strip(): value.strip() for key, _colon, value in (line.partition(":") for line in lines)}


def timers() -> set[str]:
    """The timerfds of this process. What other tests have left may be collected meanwhile: not the number counts."""
    there = set()
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            if "timerfd" in str(entry.readlink()):
                there.add(entry.name)
    return there


def with_clock(work):
    async def run():
        calls = []
        clock = WallClock(asyncio.get_running_loop(), lambda: calls.append(time.monotonic()))
        try:
            return await work(clock, calls)
        finally:
            clock.close()

    return asyncio.run(run())


def test_the_kernel_is_asked_for_the_clock_of_the_wall_and_for_its_setting():
    async def work(clock, _calls):
        return told(clock.fd)

    said = with_clock(work)
    assert said["clockid"] == str(wallclock.CLOCK_REALTIME)
    assert int(said["settime flags"], 8) == wallclock.TFD_TIMER_ABSTIME | wallclock.TFD_TIMER_CANCEL_ON_SET
    seconds, _nanoseconds = said["it_value"].strip("()").split(",")
    assert int(seconds) == pytest.approx(FAR - time.time(), abs=60)
    assert said["it_interval"] == "(0, 0)"


def test_while_nobody_sets_the_clock_it_wakes_nobody():
    async def work(_clock, calls):
        await asyncio.sleep(0.3)
        return calls

    assert with_clock(work) == []


def test_a_cancelled_timer_calls_once_each_time_and_stays(monkeypatch):
    read = os.read

    async def work(clock, calls):
        def cancelled(fd, size):
            if fd == clock.fd:
                raise OSError(errno.ECANCELED, "Operation canceled")
            return read(fd, size)

        monkeypatch.setattr(os, "read", cancelled)
        clock._readable()
        clock._readable()
        return len(calls), told(clock.fd)["it_value"]

    count, left = with_clock(work)
    assert count == 2
    assert left != "(0, 0)"


def test_a_timer_that_is_readable_calls_once_and_does_not_keep_the_loop_busy(monkeypatch):
    """By a time that comes, as read(2) then does what it does after ECANCELED: it takes the readiness away."""
    monkeypatch.setattr(wallclock, "FAR", int(time.time()) + 1)

    async def work(_clock, calls):
        await asyncio.sleep(1.3)
        return calls

    assert len(with_clock(work)) == 1


def test_closing_gives_the_descriptor_back_once():
    async def work(clock, _calls):
        fd = clock.fd
        clock.close()
        clock.close()
        return fd

    fd = with_clock(work)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)


def test_a_time_that_the_kernel_refuses_is_said_and_leaves_no_descriptor(monkeypatch):
    monkeypatch.setattr(wallclock, "FAR", -1)
    gc.collect()
    before = timers()

    async def work():
        with pytest.raises(OSError, match="Invalid argument"):
            WallClock(asyncio.get_running_loop(), lambda: None)

    asyncio.run(work())
    assert timers() - before == set()
