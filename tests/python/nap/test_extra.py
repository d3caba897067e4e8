# SPDX-License-Identifier: GPL-3.0-or-later
"""The extra monitor with real programs."""

from __future__ import annotations

import asyncio
import os
import time

import pytest

from powernap.machine import clocks
from powernap.nap.evidence import weigh
from powernap.nap.monitors.extra import ExtraMonitor
from powernap.nap.watch import Watch
from powernap.shared.errors import PowernapError


@pytest.fixture
def program(tmp_path):
    def write(text):
        file = tmp_path / "program"
        file.write_text(f"#!/bin/sh\n{text}\n")
        file.chmod(0o755)
        return str(file)

    return write


def looks(*monitors, times=1):
    """Return the readings of some looks, as the daemon takes them."""

    async def run():
        watch = Watch(monitors)
        watch.attach(asyncio.get_running_loop(), lambda: None)
        try:
            return [(await watch.look(clocks.now))[1] for _ in range(times)][-1]
        finally:
            watch.close()

    return asyncio.run(run())


def look(command, **values):
    return looks(ExtraMonitor("own", {"command": command, **values}))[0]


def test_status_0_is_active_with_the_first_line_as_reason(program):
    reading = look([program("echo; echo 3 frames to render; echo more")])
    assert reading.active_now and reading.detail == "3 frames to render" and not reading.error


def test_status_1_is_idle(program):
    reading = look([program("echo nothing to do; exit 1")])
    assert not reading.active_now and reading.last_active is None and reading.detail == "nothing to do"


def test_an_idle_program_may_tell_for_how_long(program):
    reading = look([program("echo idle_seconds=90.5; echo quiet; exit 1")])
    assert reading.last_active == pytest.approx(clocks.now() - 90.5, abs=2) and reading.detail == "quiet"


def test_a_busy_program_that_tells_idle_seconds_is_busy(program):
    assert look([program("echo idle_seconds=90")]).active_now


@pytest.mark.parametrize("ending", ["exit 2", "exit 127", "kill -9 $$"])
def test_any_other_end_is_a_failure_that_counts_as_active(program, ending):
    reading = look([program(f"echo the server is gone >&2; {ending}")])
    assert "ended with status" in reading.error and "the server is gone" in reading.error
    assert weigh([reading], 100.0).last == 100.0


def test_a_program_that_hangs_is_killed_and_counts_as_active(program, tmp_path):
    command = program(f"echo $$ > {tmp_path}/pid; sleep 60")
    begun = time.monotonic()
    reading = look([command], seconds=0.5)
    assert "took longer than 0.5 s and was killed" in reading.error
    assert time.monotonic() - begun < 5
    process = int((tmp_path / "pid").read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


def test_a_program_that_is_missing_is_named(tmp_path):
    assert str(tmp_path / "none") in look([str(tmp_path / "none")]).error


def test_it_is_not_run_more_often_than_told(program, tmp_path):
    command = program(f"echo run >> {tmp_path}/runs; exit 1")
    looks(ExtraMonitor("own", {"command": [command], "every": 60}), times=5)
    assert (tmp_path / "runs").read_text() == "run\n"
    looks(ExtraMonitor("own", {"command": [command], "every": 0}), times=5)
    assert (tmp_path / "runs").read_text() == "run\n" * 6


def test_a_failure_is_not_kept(program, tmp_path):
    command = program(f"echo run >> {tmp_path}/runs; exit 2")
    looks(ExtraMonitor("own", {"command": [command], "every": 60}), times=3)
    assert (tmp_path / "runs").read_text() == "run\n" * 3


def test_arguments_are_not_read_by_a_shell(program):
    assert look([program('echo "$1"; exit 1'), "$(id) a"]).detail == "$(id) a"


@pytest.mark.parametrize("command", [(), ("render-queue",)])
def test_a_command_without_a_path_is_refused(command):
    with pytest.raises(PowernapError, match="begin with the path of a program"):
        ExtraMonitor("own", {"command": command})
