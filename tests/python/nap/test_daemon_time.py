# SPDX-License-Identifier: GPL-3.0-or-later
"""Time that does not pass as it should: a blocked event loop, a stopped process, clocks that are set (injected)."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import time

import pytest
from fake_monitor import free, until

from powernap.machine import clocks
from powernap.nap import engine
from powernap.nap.conditions import Conditions, Surroundings
from powernap.nap.events import Act, Look
from powernap.nap.policy import Policy, Step
from powernap.nap.state import due
from powernap.nap.surroundings import at_wall_time

QUICK = "[nap]\nabsent_seconds = 1\ngrace_seconds = 0.4\nmin_awake_seconds = 0\n"
DAY = 86400.0


def block(seconds):
    """As a callback that does not come back: nothing else runs in the loop."""
    time.sleep(seconds)


def test_a_blocked_event_loop_makes_no_nap_early(running, monkeypatch):
    """Something stirred while the loop was blocked past the deadline: the idle time counts from there."""

    async def play():
        async with running(QUICK) as (daemon, monitor):
            slept = free(daemon, monkeypatch)
            block(1.2)
            monitor.last = clocks.now()
            block(0.8)
            await until(lambda: slept)
            assert monitor.last + 1.0 <= slept[0] < monitor.last + 2.0

    asyncio.run(play())


def test_after_a_blocked_event_loop_people_are_warned_in_full(running, monkeypatch):
    async def play():
        async with running(QUICK) as (daemon, _monitor):
            slept, warned = free(daemon, monkeypatch), []
            monkeypatch.setattr(daemon.crier, "warn", lambda *_: warned.append(clocks.now()))
            block(3)
            await until(lambda: slept)
            assert slept[0] >= warned[0] + 0.35

    asyncio.run(play())


def test_a_loop_that_was_blocked_too_long_begins_a_fresh_idle_period(running, monkeypatch):
    monkeypatch.setattr(engine, "JUMP_SECONDS", 0.5)

    async def play():
        async with running(QUICK) as (daemon, _monitor):
            slept = free(daemon, monkeypatch)
            block(2)
            unblocked = clocks.now()
            await until(lambda: slept)
            assert slept[0] >= unblocked + 1.0

    asyncio.run(play())


@pytest.mark.parametrize("jump", [DAY, -DAY])
def test_the_wall_clock_decides_nothing_about_idle_time(running, monkeypatch, jump):
    async def play():
        async with running(QUICK) as (daemon, _monitor):
            slept = free(daemon, monkeypatch)
            real, begun = time.time, daemon.state.fresh
            monkeypatch.setattr(time, "time", lambda: real() + jump)
            await until(lambda: slept)
            assert begun + 1.0 <= slept[0] < begun + 2.0
            last = [json.loads(line) for line in (daemon._state_dir / "history.jsonl").read_text().splitlines()][-1]
            assert last["t"] == pytest.approx(real() + jump, abs=60)

    asyncio.run(play())


@pytest.mark.parametrize("jump", [DAY / 2, -DAY / 2])
def test_when_the_wall_clock_is_set_a_window_counts_from_then_on(running, monkeypatch, jump):
    """Half a day, as a day would lead into the same window: the step that the window allowed is undone."""

    async def play():
        async with running(QUICK) as (daemon, _monitor):
            done = []

            async def nothing(effect):
                done.append(effect)

            monkeypatch.setattr(daemon._doing, "act", nothing)
            monkeypatch.setattr(daemon._doing, "undo_step", nothing)
            second = at_wall_time(Surroundings(), time.time()).second_of_day
            window = Conditions(between=(((second - 3600) % DAY, (second + 3600) % DAY),))
            daemon.policy = Policy(steps=(Step(1, "exec", 0, window, "lights", "/bin/true"),))
            daemon._surroundings.adopt(daemon.policy)
            await daemon.look()
            await until(lambda: daemon.state.taken)
            real = time.time
            monkeypatch.setattr(time, "time", lambda: real() + jump)
            daemon._surroundings._clock._readable()  # as the kernel tells it
            await until(lambda: not daemon.state.taken)
            assert done == [Act(daemon.policy.steps[0], 1), daemon.policy.steps[0]]

    asyncio.run(play())


@pytest.mark.parametrize("jump", [DAY, -DAY])
def test_when_the_clock_of_the_idle_time_is_a_day_off_a_fresh_period_begins(running, monkeypatch, jump):
    """CLOCK_BOOTTIME is never set; were it, no nap must come of it, and none be missed for a day."""

    async def play():
        async with running(QUICK) as (daemon, monitor):
            slept, real = free(daemon, monkeypatch), clocks.now
            monkeypatch.setattr(clocks, "now", lambda: real() + jump)
            jumped = clocks.now()
            looks = len(monitor.looks)
            monitor.call()
            await until(lambda: len(monitor.looks) > looks)
            assert daemon.state.fresh >= jumped
            assert due(daemon.state, daemon.policy) == pytest.approx(daemon.state.fresh + 1.0)
            await until(lambda: slept)
            assert jumped + 1.0 <= slept[0] < jumped + 3.0

    asyncio.run(play())


def test_a_process_that_was_stopped_past_its_deadline_naps_by_what_its_monitors_saw(machine):
    """SIGSTOP for longer than the idle time, with a connection within: the kernel's ledger kept it."""
    machine.write(absent=1.5)
    with machine.segment.on("here"):
        listener = socket.create_server(("0.0.0.0", 22))
    machine.start()
    os.kill(machine.process.pid, signal.SIGSTOP)
    time.sleep(2.2)
    with machine.segment.on("there"):
        socket.create_connection(("198.18.0.1", 22), timeout=5).close()
    stirred = time.monotonic()
    time.sleep(0.3)
    os.kill(machine.process.pid, signal.SIGCONT)
    machine.until(lambda: machine.logind.asleep_since, "it does not sleep")
    listener.close()
    assert 1.5 - 0.05 <= machine.logind.asleep_since - stirred < 8


def test_a_process_that_was_stopped_while_nothing_stirred_warns_in_full_and_naps(machine):
    machine.start()
    os.kill(machine.process.pid, signal.SIGSTOP)
    time.sleep(1.6)
    continued = time.monotonic()
    os.kill(machine.process.pid, signal.SIGCONT)
    machine.until(lambda: machine.logind.asleep_since, "it does not sleep")
    assert 0.4 <= machine.logind.asleep_since - continued < 8
    assert (machine.folder / "wall.log").read_text().startswith("web1: suspend in")


def test_a_look_that_is_30_seconds_late_begins_a_fresh_idle_period(running):
    """What SIGSTOP for half a minute comes to."""

    async def play():
        async with running() as (daemon, monitor):
            at = daemon.state.look_at + engine.JUMP_SECONDS + 1
            daemon.tell(Look((monitor.reading(calls=True),), (), None, 0, at), at)
            assert daemon.state.fresh == at and not daemon.state.warned

    asyncio.run(play())
