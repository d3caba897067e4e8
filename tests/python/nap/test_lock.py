# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock monitor against real locks of real processes."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from powernap.machine import filelocks
from powernap.nap.monitors.lock import LockMonitor

DPKG = Path("/var/lib/dpkg/lock")
TAKE = """
import fcntl, struct, sys
file = open(sys.argv[1], "r+")
if sys.argv[2] == "flock":
    fcntl.flock(file, fcntl.LOCK_EX)
elif sys.argv[2] == "posix":
    fcntl.lockf(file, fcntl.LOCK_EX)
else:
    fcntl.fcntl(file, 37, struct.pack("hhqqi", fcntl.F_WRLCK, 0, 0, 0, 0))  # F_OFD_SETLK
print("locked", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def locker():
    """Locks a file in another process until called."""
    started = []

    def lock(path, how):
        process = subprocess.Popen(
            [sys.executable, "-c", TAKE, path, how], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        started.append(process)
        assert process.stdout.readline() == b"locked\n"
        return process

    yield lock
    for process in started:
        process.communicate()


def only(**values):
    return LockMonitor("work", {"held": (), "exists": (), **values})


@pytest.mark.parametrize("how", ["flock", "posix", "ofd"])
def test_a_locked_file_is_active_until_it_is_let_go(tmp_path, locker, how):
    file = tmp_path / "lock"
    file.touch()
    monitor = only(held=(str(tmp_path / "l*"),))
    assert monitor.look(100.0).last_active is None
    process = locker(file, how)
    reading = monitor.look(160.0)
    assert reading.active_now and str(file) in reading.detail
    if how != "ofd":
        assert f"process {process.pid}" in reading.detail
    process.communicate()
    reading = monitor.look(200.0)
    assert not reading.active_now and reading.last_active == 160.0


def test_who_only_waits_for_a_lock_or_locks_another_file_does_not_count(tmp_path, locker):
    for name in ("one", "two"):
        (tmp_path / name).touch()
    locker(tmp_path / "one", "flock")
    assert not only(held=(str(tmp_path / "two"),)).look(100.0).active_now
    line = "3: -> FLOCK  ADVISORY  WRITE 4711 fe:00:{} 0 EOF\n"
    (tmp_path / "locks").write_text(line.format((tmp_path / "two").stat().st_ino))
    assert filelocks.held([str(tmp_path / "two")], tmp_path / "locks") == {}


def test_the_same_inode_of_another_device_is_another_file(tmp_path):
    (tmp_path / "one").touch()
    status = (tmp_path / "one").stat()
    line = "1: POSIX  ADVISORY  WRITE 4711 {:02x}:{:02x}:{} 0 EOF\n"
    locks = tmp_path / "locks"
    major, minor = os.major(status.st_dev), os.minor(status.st_dev)
    locks.write_text(line.format(major + 1, minor, status.st_ino))
    assert filelocks.held([str(tmp_path / "one")], locks) == {}
    locks.write_text(line.format(major, minor, status.st_ino))
    assert filelocks.held([str(tmp_path / "one")], locks) == {str(tmp_path / "one"): 4711}


def test_a_lock_of_this_process_is_seen_too(tmp_path):
    with (tmp_path / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert only(held=(str(tmp_path / "lock"),)).look(100.0).active_now


def test_a_file_that_exists_counts_until_it_is_gone(tmp_path):
    monitor = only(exists=(str(tmp_path / "*.lck"),))
    (tmp_path / "db.lck").touch()
    reading = monitor.look(100.0)
    assert reading.active_now and reading.detail == f"locked: {tmp_path}/db.lck"
    (tmp_path / "db.lck").unlink()
    assert not monitor.look(160.0).active_now


def test_a_folder_as_a_lock_counts(tmp_path):
    (tmp_path / "lock.exclusive").mkdir()
    assert only(exists=(str(tmp_path / "lock.exclusive"),)).look(100.0).active_now


def test_a_file_of_a_process_that_is_gone_is_a_left_over_and_said_so(tmp_path):
    file = tmp_path / "x.pid"
    file.write_text(f"{os.getpid()}\n")
    monitor = only(exists=(str(file),))
    assert monitor.look(100.0).active_now
    gone = subprocess.Popen(["true"])
    gone.wait()
    file.write_text(f"{gone.pid}\n")
    reading = monitor.look(160.0)
    assert not reading.active_now and reading.detail == f"no lock; left over: {file} (process {gone.pid} is gone)"


@pytest.mark.parametrize("number", ["0", "9" * 20])
def test_a_number_that_is_no_process_makes_a_left_over(tmp_path, number):
    (tmp_path / "x.pid").write_text(number)
    assert "left over" in only(exists=(str(tmp_path / "x.pid"),)).look(100.0).detail


def test_a_process_of_somebody_else_holds_its_file_for_who_may_not_signal_it(tmp_path):
    (tmp_path / "x.pid").write_text(f"{os.getpid()}\n")
    tmp_path.chmod(0o755)
    monitor = only(exists=("x.pid",))
    child = os.fork()
    if child == 0:
        try:
            os.chdir(tmp_path)
            os.setuid(65534)
            os._exit(0 if monitor.look(100.0).active_now else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_an_old_file_is_a_left_over_unless_told_otherwise(tmp_path):
    file = tmp_path / "lock"
    file.write_text("restic\n")
    os.utime(file, (time.time() - 90000, time.time() - 90000))
    reading = only(exists=(str(file),)).look(100.0)
    assert not reading.active_now and reading.detail.endswith("(25 h old)")
    assert only(exists=(str(file),), stale_seconds=0).look(100.0).active_now


def test_the_package_manager_of_this_machine_is_known_by_default():
    if not DPKG.exists():
        pytest.skip("this machine has no dpkg")
    monitor = LockMonitor("work", {})
    assert not monitor.look(100.0).active_now, "somebody installs packages right now"
    with DPKG.open("r+b") as file:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        assert f"{DPKG} (process" in monitor.look(160.0).detail


def test_an_unreadable_list_of_locks_is_a_failure(tmp_path):
    (tmp_path / "lock").touch()
    with pytest.raises(OSError, match="No such file"):
        LockMonitor("work", {"held": (str(tmp_path / "lock"),)}, tmp_path / "none").look(100.0)
