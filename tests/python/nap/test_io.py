# SPDX-License-Identifier: GPL-3.0-or-later
"""The IO monitor against real processes, and against a fake /proc where the kernel here does not refuse or vary."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from powernap.nap.monitors.io import IoMonitor
from powernap.nap.watch import Watch
from powernap.shared.errors import PowernapError

WORKER = "import sys\nfor line in sys.stdin: open('/dev/null', 'wb').write(bytes(int(line))); print(flush=True)"


class Worker:
    """A process that writes as much as it is told."""

    def __init__(self, mark: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", WORKER, mark], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.write(1)

    def write(self, count: int) -> None:
        self.process.stdin.write(f"{count}\n")
        self.process.stdin.flush()
        self.process.stdout.readline()

    def close(self) -> None:
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(5)


@pytest.fixture
def worker():
    made = []

    def make():
        made.append(Worker(f"worker-of-{os.getpid()}"))
        return made[-1]

    yield make
    for each in made:
        each.close()


def watch(root=Path("/"), **values):
    return Watch([IoMonitor("io", {"pattern": f"worker-of-{os.getpid()}", "learn": False, **values}, root)])


def look(watch, now):
    return asyncio.run(watch.look(lambda: now))[1][0]


def test_a_real_process_that_writes_above_the_threshold_is_active_and_below_is_not(worker):
    process, monitor = worker(), watch(threshold=10_000)
    look(monitor, 0.0)
    process.write(50_000)
    reading = look(monitor, 10.0)
    assert reading.error == "" and reading.last_active is None and 5000 <= reading.value < 6000
    process.write(500_000)
    reading = look(monitor, 20.0)
    assert reading.last_active == 20.0
    assert reading.detail == "1 process match; they move 50.0 kB/s, threshold 10.0 kB/s"


def test_several_processes_are_added_up_and_one_that_ends_takes_nothing_away(worker):
    first, second, monitor = worker(), worker(), watch(threshold=10_000)
    look(monitor, 0.0)
    first.write(60_000)
    second.write(60_000)
    assert look(monitor, 10.0).last_active == 10.0
    second.write(10**7)
    first.close()
    assert look(monitor, 20.0).value > 10**6
    assert look(monitor, 30.0).value == 0


def test_what_a_process_moved_since_it_began_counts_from_its_beginning(worker):
    monitor = watch(threshold=10_000)
    assert look(monitor, 0.0).detail.startswith("0 processes match")
    worker().write(10**6)
    assert look(monitor, 10.0).last_active == 10.0


def test_what_it_moved_before_the_first_look_does_not_count(worker):
    worker().write(10**7)
    monitor = watch(threshold=1)
    assert look(monitor, 0.0).last_active is None
    assert look(monitor, 10.0).last_active is None


def test_only_storage_counts_where_asked(worker):
    process, monitor = worker(), watch(threshold=1, storage=True)
    look(monitor, 0.0)
    process.write(10**6)
    assert look(monitor, 10.0).last_active is None  # /dev/null is no storage


@pytest.mark.parametrize(("direction", "active"), [("read", False), ("write", True)])
def test_the_direction_is_chosen(worker, direction, active):
    process, monitor = worker(), watch(threshold=10_000, direction=direction)
    look(monitor, 0.0)
    process.write(10**6)
    assert (look(monitor, 10.0).last_active is not None) == active


def test_processes_of_other_users_do_not_count(worker):
    worker()
    monitor = watch(user="65534")
    assert look(monitor, 0.0).detail.startswith("0 processes match")
    assert look(watch(user=str(os.geteuid())), 0.0).detail.startswith("1 process match")


def test_a_user_who_does_not_exist_is_a_mistake_of_the_configuration():
    with pytest.raises(PowernapError, match="no user 'nobody-of-that-name'"):
        watch(user="nobody-of-that-name")


class FakeProc:
    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "proc").mkdir()

    def add(self, pid: int, command: str, moved: int = 0) -> Path:
        folder = self.root / "proc" / str(pid)
        folder.mkdir()
        (folder / "cmdline").write_bytes(command.encode().replace(b" ", b"\0") + b"\0")
        (folder / "stat").write_text(f"{pid} (a ) b) S " + " ".join(map(str, range(4, 53))) + "\n")
        (folder / "io").write_text(f"rchar: {moved}\nwchar: 0\nread_bytes: 0\nwrite_bytes: 0\n")
        return folder


@pytest.fixture
def proc(tmp_path):
    return FakeProc(tmp_path)


def test_counters_that_even_root_may_not_read_count_as_active_and_the_remedy_is_named_in_a_fake_proc(proc, monkeypatch):
    proc.add(7, "rsync --server")
    real = Path.read_text

    def refuse(path, *arguments, **more):
        if path.name == "io":
            raise PermissionError(1, "Operation not permitted", str(path))
        return real(path, *arguments, **more)

    monkeypatch.setattr(Path, "read_text", refuse)
    error = look(watch(proc.root, pattern="rsync"), 0.0).error
    assert error.startswith(
        "what process 7 (rsync --server) reads and writes cannot be known (Operation not permitted)"
    )
    assert "CAP_SYS_PTRACE" in error


@pytest.mark.parametrize("text", ["", "rchar: 1\n", "rchar: x\nwchar: 1\n", "nonsense\n"])
def test_counters_of_another_form_count_as_active_in_a_fake_proc(proc, text):
    (proc.add(7, "rsync") / "io").write_text(text)
    assert "process 7 (rsync)" in look(watch(proc.root, pattern="rsync"), 0.0).error


def test_a_process_with_the_number_of_one_that_ended_counts_from_its_own_beginning_in_a_fake_proc(proc):
    folder = proc.add(7, "rsync", moved=10**6)
    monitor = watch(proc.root, pattern="rsync", threshold=100)
    look(monitor, 0.0)
    (folder / "stat").write_text("7 (rsync) S " + " ".join(map(str, range(5, 54))) + "\n")
    (folder / "io").write_text("rchar: 5000\nwchar: 0\nread_bytes: 0\nwrite_bytes: 0\n")
    assert look(monitor, 10.0).value == 500


def test_a_process_whose_command_line_is_refused_is_passed_over_in_a_fake_proc(proc):
    proc.add(7, "rsync")
    (proc.add(8, "rsync") / "cmdline").unlink()
    assert look(watch(proc.root, pattern="rsync"), 0.0).detail.startswith("1 process match")


def test_no_proc_at_all_counts_as_active(tmp_path):
    assert look(watch(tmp_path, pattern="rsync"), 0.0).error
