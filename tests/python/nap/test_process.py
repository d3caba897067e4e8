# SPDX-License-Identifier: GPL-3.0-or-later
"""The process monitor against real processes."""

from __future__ import annotations

import asyncio
import gc
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from attached import attached, is_called

from powernap.machine import clocks, proctable
from powernap.machine.proctable import ProcTable, Wanted
from powernap.nap.monitors.process import ProcessMonitor
from powernap.nap.sources import Sources
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
    code = (
        "from powernap.nap.monitors.process import ProcessMonitor\n"
        f"print(ProcessMonitor('self', {{'pattern': 'only-{MARK}'}}).look(1.0).active_now)  # only-{MARK}\n"
    )
    command = [sys.executable, "-c", code]
    alone = subprocess.run(
        command, env={"PYTHONPATH": ":".join(sys.path)}, stdout=subprocess.PIPE, text=True, check=True, timeout=60
    )
    assert alone.stdout == "False\n"
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
        async with attached(monitor) as called:
            await monitor.ask()
            reading = monitor.look(clocks.now())
            assert reading.calls and reading.source == "its pidfd"
            await asyncio.sleep(0.05)
            assert not called.is_set()
            process.kill()
            ended = clocks.now()
            await is_called(called)
            process.wait()
            after = monitor.look(clocks.now() + 50)
            assert not after.active_now
            assert after.last_active == pytest.approx(ended, abs=1)

    asyncio.run(run())


def test_while_it_is_held_proc_is_not_scanned(process, tmp_path):
    monitor = ProcessMonitor("work", {"pattern": MARK})

    async def run():
        monitor.attach(asyncio.get_running_loop(), lambda: None)
        monitor.look(clocks.now())
        monitor._table = ProcTable(str(tmp_path / "gone"))
        await monitor.ask()
        assert monitor.look(clocks.now()).active_now
        monitor.close()

    asyncio.run(run())


def open_files():
    return len(list(Path("/proc/self/fd").iterdir()))


def test_closing_gives_the_pidfd_back(process):
    monitor = ProcessMonitor("work", {"pattern": MARK})

    async def run():
        gc.collect()  # what other tests left open is given back now
        before = open_files()
        sources = Sources()
        monitor.attach(asyncio.get_running_loop(), lambda: None, sources)
        attached = open_files()
        monitor.look(clocks.now())
        assert open_files() == attached + 1
        monitor.close()
        sources.close()
        assert open_files() == before

    asyncio.run(run())


def fake_proc(tmp_path, processes):
    """A tree like /proc: files in folders, since a real process that refuses root cannot be had here."""
    for pid, (line, comm) in processes.items():
        folder = tmp_path / str(pid)
        folder.mkdir()
        if line is None:
            (folder / "cmdline").symlink_to("cmdline")  # opening it fails with ELOOP, as with EPERM
        else:
            (folder / "cmdline").write_bytes(line)
        (folder / "comm").write_text(f"{comm}\n")
    return ProcTable(str(tmp_path))


def test_an_entry_that_cannot_be_read_is_passed_over_and_counted(tmp_path):
    table = fake_proc(tmp_path, {10: (None, "other"), 11: (b"rsync\0-a\0", "rsync")})
    assert ProcessMonitor("work", {"pattern": "^rsync"}, table).look(5.0).active_now
    idle = ProcessMonitor("work", {"pattern": "^borg"}, table).look(5.0)
    assert idle.last_active is None and "of 1 processes only the name could be read" in idle.detail


def test_the_name_decides_where_the_command_line_cannot_be_read(tmp_path):
    table = fake_proc(tmp_path, {10: (None, "borg")})
    reading = ProcessMonitor("work", {"pattern": "borg create"}, table).look(5.0)
    assert reading.active_now and "process 10" in reading.detail


def test_a_process_that_vanishes_during_the_pass_is_none(tmp_path):
    (tmp_path / "12").mkdir()
    assert not ProcessMonitor("work", {"pattern": "."}, ProcTable(str(tmp_path))).look(5.0).active_now


def open_command_lines():
    links = [link for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    return sum(str(link.readlink()).endswith("/cmdline") for link in links)


def find(table, pattern):
    return asyncio.run(table.find(Wanted(re.compile(pattern.encode()))))


def test_files_that_stay_open_show_what_their_process_executes_or_calls_itself_later():
    table = ProcTable()
    script = "read x; exec sleep 12.5"
    with subprocess.Popen(["/bin/sh", "-c", script], stdin=subprocess.PIPE) as process:
        try:
            assert find(table, r"^sleep 12\.5$").pid == 0
            assert open_command_lines() > 1
            process.stdin.write(b"\n")
            process.stdin.flush()
            deadline = time.monotonic() + 10
            while find(table, r"^sleep 12\.5$").pid != process.pid:
                assert time.monotonic() < deadline
                time.sleep(0.01)
        finally:
            process.kill()
    assert find(table, r"^sleep 12\.5$").pid == 0
    table.close()
    assert open_command_lines() == 0


def test_a_process_that_changes_its_own_command_line_is_seen_by_the_open_file():
    code = (
        "import ctypes, sys\n"
        "start = int(open('/proc/self/stat').read().rpartition(')')[2].split()[45])\n"
        "print(flush=True)\n"
        "sys.stdin.readline()\n"
        "ctypes.memmove(start, b'backup-runs\\0', 12)\n"
        "print(flush=True)\n"
        "sys.stdin.readline()\n"
    )
    table = ProcTable()
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        assert find(table, "^backup-runs").pid == 0
        process.stdin.write(b"\n")
        process.stdin.flush()
        process.stdout.readline()
        assert find(table, "^backup-runs").pid == process.pid
        process.stdin.close()
    table.close()


def test_of_more_processes_than_files_may_stay_open_the_others_are_opened_anew(tmp_path, monkeypatch):
    monkeypatch.setattr(proctable, "HELD", 5)
    table = fake_proc(tmp_path, dict.fromkeys(range(1000, 1012), (b"idle\0", "idle")))
    for _turn in range(3):
        assert find(table, "^rsync").pid == 0
        assert open_command_lines() == 5
    (tmp_path / "1011/cmdline").write_bytes(b"rsync\0")
    assert find(table, "^rsync").pid == 1011
    for pid in range(1000, 1009):
        shutil.rmtree(tmp_path / str(pid))
    (tmp_path / "1011/cmdline").write_bytes(b"idle\0")
    assert find(table, "^rsync").pid == find(table, "^rsync").pid == 0
    assert open_command_lines() == 3, "those of what has gone are closed"
    table.close()
    assert open_command_lines() == 0
    assert find(table, "^idle").pid and open_command_lines() == 0


def test_monitors_that_ask_together_share_one_pass_and_the_loop_keeps_running(tmp_path):
    table = fake_proc(tmp_path, dict.fromkeys(range(1000, 4000), (b"idle\0", "idle")))
    (tmp_path / "2500/cmdline").write_bytes(b"rsync\0")
    monitors = [ProcessMonitor(name, {"pattern": f"^{name}"}, table) for name in ("rsync", "borg", "idle")]

    async def run():
        turns = 0

        async def count():
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        counting = asyncio.ensure_future(count())
        await asyncio.gather(*(monitor.ask() for monitor in monitors))
        counting.cancel()
        assert 6 <= turns < 20, "3,000 processes, 500 a turn, once for all three"

    asyncio.run(run())
    assert [monitor.look(5.0).active_now for monitor in monitors] == [True, False, True]


@pytest.mark.alone
def test_50000_processes_cost_bounded_time_and_never_stop_the_loop_for_long(tmp_path):
    line = tmp_path / "line"
    line.write_bytes(b"/usr/bin/program\0--with\0arguments\0")
    for pid in range(1000, 51000):
        folder = f"{tmp_path}/{pid}"
        os.mkdir(folder)  # noqa: PTH102  # 50,000 of them
        os.symlink(line, f"{folder}/cmdline")  # noqa: PTH211
    table = ProcTable(str(tmp_path))
    monitors = [ProcessMonitor(name, {"pattern": name}, table) for name in ("rsync", "borg")]

    async def run():
        longest = 0.0

        async def measure():
            nonlocal longest
            while True:
                began = time.perf_counter()
                await asyncio.sleep(0)
                longest = max(longest, time.perf_counter() - began)

        measuring = asyncio.ensure_future(measure())
        began = time.process_time()
        await asyncio.gather(*(monitor.ask() for monitor in monitors))
        used = time.process_time() - began
        measuring.cancel()
        assert used < 5
        assert longest < 2

    asyncio.run(run())
    assert not any(monitor.look(5.0).active_now for monitor in monitors)
