# SPDX-License-Identifier: GPL-3.0-or-later
"""The process monitor against real processes."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import time
from pathlib import Path

import pytest

from powernap.machine import clocks
from powernap.nap.monitors.process import ProcessMonitor
from powernap.shared.errors import PowernapError

MARK = f"powernap-test-{os.getpid()}"


@pytest.fixture
def process():
    started = subprocess.Popen(["bash", "-c", f"exec -a {MARK} sleep 60"])
    deadline = time.monotonic() + 5
    # until the exec, bash's own command line matches as well; during it, there is none
    wanted = f"{MARK}\0" + "60\0"
    while Path(f"/proc/{started.pid}/cmdline").read_text() != wanted and time.monotonic() < deadline:
        time.sleep(0.01)
    yield started
    started.kill()
    started.wait()


def test_a_running_process_is_active_and_named(process):
    reading = ProcessMonitor("work", {"pattern": f"^{MARK}"}).look(clocks.now())
    assert reading.active_now
    assert f"process {process.pid}" in reading.detail


def test_no_such_process_is_no_activity():
    reading = ProcessMonitor("work", {"pattern": f"^{MARK}-other"}).look(clocks.now())
    assert reading.last_active is None and not reading.active_now


def test_arguments_are_searched_too(process):
    assert ProcessMonitor("work", {"pattern": f"{MARK} 60$"}).look(clocks.now()).active_now


def test_it_never_matches_itself_nor_kernel_threads():
    command = Path("/proc/self/cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
    assert not ProcessMonitor("self", {"pattern": f"^{re.escape(command)}"}).look(clocks.now()).active_now
    assert not ProcessMonitor("kernel", {"pattern": "kthreadd"}).look(clocks.now()).active_now


def test_only_the_named_user_counts(process):
    assert ProcessMonitor("work", {"pattern": MARK, "user": str(os.getuid())}).look(clocks.now()).active_now
    assert ProcessMonitor("work", {"pattern": MARK, "user": "nobody"}).look(clocks.now()).last_active is None


def test_an_unknown_user_is_told():
    with pytest.raises(PowernapError, match="no user 'nosuchuser'"):
        ProcessMonitor("work", {"pattern": "x", "user": "nosuchuser"})


def test_the_end_of_the_process_calls_at_once_and_is_its_last_activity(process):
    monitor = ProcessMonitor("work", {"pattern": MARK})

    async def run():
        called = asyncio.Event()
        monitor.attach(asyncio.get_running_loop(), called.set)
        reading = monitor.look(clocks.now())
        assert reading.calls and reading.source == "its pidfd"
        await asyncio.sleep(0.05)
        assert not called.is_set()
        process.kill()
        ended = clocks.now()
        await asyncio.wait_for(called.wait(), 1)
        assert clocks.now() - ended < 0.1
        process.wait()
        after = monitor.look(clocks.now() + 50)
        assert not after.active_now
        assert after.last_active == pytest.approx(ended, abs=0.1)

    asyncio.run(run())


def test_while_it_is_held_proc_is_not_scanned(process, tmp_path):
    monitor = ProcessMonitor("work", {"pattern": MARK})

    async def run():
        monitor.attach(asyncio.get_running_loop(), lambda: None)
        monitor.look(clocks.now())
        monitor._proc = str(tmp_path / "gone")
        assert monitor.look(clocks.now()).active_now
        monitor.close()

    asyncio.run(run())


def open_files():
    return len(list(Path("/proc/self/fd").iterdir()))


def test_closing_gives_the_pidfd_back(process):
    monitor = ProcessMonitor("work", {"pattern": MARK})

    async def run():
        before = open_files()
        monitor.attach(asyncio.get_running_loop(), lambda: None)
        monitor.look(clocks.now())
        assert open_files() == before + 1
        monitor.close()
        assert open_files() == before

    asyncio.run(run())
