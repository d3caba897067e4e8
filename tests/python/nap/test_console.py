# SPDX-License-Identifier: GPL-3.0-or-later
"""The console monitor against real pseudo-terminals and against files whose times are set."""

from __future__ import annotations

import asyncio
import os
import pty
import time

import pytest
from attached import is_called

from powernap.machine import clocks
from powernap.nap.monitors.base import Monitor
from powernap.nap.monitors.console import ConsoleMonitor


@pytest.fixture
def terminal(tmp_path):
    path = tmp_path / "tty1"
    path.touch()

    def typed(when):
        os.utime(path, (when, when))
        return path

    typed(1_000_000.0)
    return typed


@pytest.fixture
def pseudo():
    """A real terminal, last used 100 s ago: its leader, the follower, and that one's name."""
    leader, follower = pty.openpty()
    name = os.ttyname(follower)
    past = time.time() - 100
    os.utime(name, (past, past))
    yield leader, follower, name
    os.close(leader)
    os.close(follower)


def monitor(tmp_path, wall):
    return ConsoleMonitor("terminals", {"paths": (str(tmp_path / "tty*"),)}, wall=wall)


def test_what_was_before_the_start_is_not_known(tmp_path, terminal):
    assert monitor(tmp_path, lambda: 1_000_000.0).look(500.0).last_active is None


def test_a_key_counts_until_the_end_of_the_kernels_step(tmp_path, terminal):
    watcher = monitor(tmp_path, lambda: 1_000_100.0)
    watcher.look(500.0)
    watcher._wall = lambda: 1_000_300.0
    terminal(1_000_200.0)
    assert watcher.look(700.0).last_active == pytest.approx(608.0)


def test_a_step_that_is_not_over_yet_counts_as_now_and_then_until_its_end(tmp_path, terminal):
    watcher = monitor(tmp_path, lambda: 1_000_100.0)
    watcher.look(500.0)
    terminal(1_000_102.0)
    watcher._wall = lambda: 1_000_105.0
    assert watcher.look(505.0).last_active == 505.0
    watcher._wall = lambda: 1_000_305.0
    assert watcher.look(705.0).last_active == pytest.approx(510.0)


@pytest.mark.parametrize("step", [-3600.0, 3600.0, 86400.0 * 400])
def test_a_wall_clock_that_is_set_never_makes_a_key_older(tmp_path, terminal, step):
    watcher = monitor(tmp_path, lambda: 1_000_100.0)
    watcher.look(500.0)
    terminal(1_000_150.0)  # a true key at 550, and then the clock is set
    watcher._wall = lambda: 1_000_200.0 + step
    assert watcher.look(600.0).last_active >= 550.0


def test_a_wall_clock_that_is_set_is_no_activity(tmp_path, terminal):
    watcher = monitor(tmp_path, lambda: 1_000_100.0)
    watcher.look(500.0)
    watcher._wall = lambda: 2_000_000.0
    assert watcher.look(600.0).last_active is None


def test_a_terminal_that_closed_counts_as_now(tmp_path, terminal):
    watcher = monitor(tmp_path, lambda: 1_000_100.0)
    watcher.look(500.0)
    terminal(1_000_000.0).unlink()
    assert watcher.look(600.0).last_active == 600.0


def test_a_real_key_at_a_real_terminal_counts(pseudo):
    leader, follower, name = pseudo
    watcher = ConsoleMonitor("terminals", {"paths": (name,)})
    watcher.look(clocks.now())
    os.write(leader, b"x\n")
    os.read(follower, 10)
    assert watcher.look(clocks.now()).last_active == pytest.approx(clocks.now(), abs=5)


def test_output_is_no_activity(pseudo):
    leader, follower, name = pseudo
    watcher = ConsoleMonitor("terminals", {"paths": (name,)})
    watcher.look(clocks.now())
    os.write(follower, b"a warning\n")
    os.read(leader, 20)
    assert watcher.look(clocks.now()).last_active is None


def test_output_is_activity_where_it_is_asked_for_and_calls_an_armed_monitor(pseudo):
    _leader, follower, name = pseudo
    watcher = ConsoleMonitor("terminals", {"paths": (name,), "output": True})

    async def run():
        called = asyncio.Event()
        Monitor.attach(watcher, asyncio.get_running_loop(), called.set)  # deaf to terminals that others open
        assert watcher.look(clocks.now()).last_active is None
        watcher.arm()
        os.write(follower, b"100 % done\n")
        await is_called(called)
        assert watcher.look(clocks.now()).last_active == pytest.approx(clocks.now(), abs=5)
        watcher.close()

    asyncio.run(run())


def test_a_terminal_that_opens_and_closes_between_two_looks_is_noticed():
    watcher = ConsoleMonitor("terminals", {"paths": ("/dev/pts/[0-9]*",)})

    async def run():
        watcher.attach(asyncio.get_running_loop(), lambda: None)
        watcher.look(clocks.now())
        for fd in pty.openpty():
            os.close(fd)
        opened = clocks.now()
        await asyncio.sleep(0.3)
        assert watcher.told() >= opened - 0.1
        # Somebody at another terminal of this machine may have been active since.
        assert watcher.look(clocks.now()).last_active >= opened - 0.1
        assert watcher.told() is None
        watcher.close()

    asyncio.run(run())


def test_an_armed_monitor_calls_at_a_key():
    leader, follower = pty.openpty()  # just made
    watcher = ConsoleMonitor("terminals", {"paths": (os.ttyname(follower),)})

    async def run():
        called = asyncio.Event()
        Monitor.attach(watcher, asyncio.get_running_loop(), called.set)  # deaf to terminals that others open
        watcher.arm()
        before = watcher.look(clocks.now())
        assert before.calls
        assert before.last_active is None
        await asyncio.sleep(0.05)
        assert not called.is_set()
        os.write(leader, b"x\n")
        os.read(follower, 10)
        await is_called(called)
        # although the terminal, just made, has the same times as before
        assert watcher.look(clocks.now()).last_active == pytest.approx(clocks.now(), abs=5)
        watcher.close()

    try:
        asyncio.run(run())
    finally:
        os.close(leader)
        os.close(follower)
