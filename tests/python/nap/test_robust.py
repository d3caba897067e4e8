# SPDX-License-Identifier: GPL-3.0-or-later
"""powernapd killed, with a full disk, reloaded again and again, and with steps: a real process on a real machine."""

from __future__ import annotations

import os
import signal
import socket
import time

import pytest

pytestmark = pytest.mark.usefixtures("machine")
STEPS = """
[steps.lights]
after_seconds = 1
action = "exec"
command = "{folder}/bin/lights"
[steps.sleep]
after_seconds = {sleep}
action = "suspend"
grace_seconds = 0.4
"""


@pytest.fixture
def lights(machine):
    """A step that runs a program, and what that program was called with."""
    file = machine.folder / "bin/lights"
    file.write_text(f'#!/bin/sh\necho "$1" >> {machine.folder}/lights\n')
    file.chmod(0o755)

    def said():
        noted = machine.folder / "lights"
        return noted.read_text().split() if noted.exists() else []

    return said


def steps(machine, sleep):
    machine.write(more=STEPS.format(folder=machine.folder, sleep=sleep), absent=1)


def test_the_descent_goes_step_by_step_and_a_resume_undoes_it(machine, lights):
    steps(machine, 2)
    machine.start()
    machine.until(lambda: machine.logind.calls == ["Suspend"], "it does not sleep")
    assert lights()[0] == "true"
    machine.until(lambda: lights()[:2] == ["true", "false"], "the step is not undone")


def test_activity_undoes_a_step_at_once(machine, lights):
    steps(machine, 500)
    with machine.segment.on("here"):
        listener = socket.create_server(("0.0.0.0", 22))
    machine.start()
    machine.until(lambda: lights() == ["true"], "the step is not taken")
    time.sleep(1)
    with machine.segment.on("there"):
        socket.create_connection(("198.18.0.1", 22), timeout=5).close()
    machine.until(lambda: lights()[:2] == ["true", "false"], "the step is not undone", seconds=4)
    listener.close()


def test_killed_within_a_step_the_next_start_undoes_it_and_says_that_the_machine_is_awake(machine, lights):
    steps(machine, 500)
    machine.start()
    machine.until(lambda: lights() == ["true"], "the step is not taken")
    machine.until(lambda: machine.server.said("awake"), "it does not announce")
    machine.process.kill()
    machine.process.wait()
    said = len(machine.server.said("awake"))
    machine.start()
    machine.until(lambda: lights()[:2] == ["true", "false"], "the step is not undone")
    machine.until(lambda: len(machine.server.said("awake")) > said, "the wake server is not told")


def test_killed_after_the_wake_server_was_told_the_next_start_takes_it_back(machine):
    machine.logind.ignores_orders = True
    machine.start()
    machine.until(lambda: machine.logind.calls, "it orders no sleep")
    machine.process.kill()
    machine.process.wait()
    assert machine.server.messages[-1][0] == "asleep"
    machine.logind.ignores_orders = False
    machine.write(absent=500)
    machine.start()
    machine.until(lambda: machine.server.messages[-1][0] == "awake", "it is still registered as asleep")


def test_a_full_disk_keeps_it_awake_and_is_told_and_decisions_go_on(machine):
    machine.state.mkdir()
    (machine.state / "link-sequence.new").symlink_to("/dev/full")
    machine.start()
    machine.until(lambda: machine.ask("status")["state"] == "backoff", "it does not back off")
    assert "free some space" in machine.ask("why")["text"]
    assert not machine.logind.calls
    before = len(machine.ask("decisions")["decisions"])
    machine.until(lambda: len(machine.ask("decisions")["decisions"]) > before, "it decides no more")
    (machine.state / "link-sequence.new").unlink()
    machine.until(lambda: machine.logind.calls, "it does not sleep when there is space again")


def test_people_are_not_warned_again_while_the_wake_server_refuses(machine):
    machine.server.status = 503
    machine.start()
    log = machine.folder / "wall.log"
    machine.until(lambda: log.exists() and "stays awake" in log.read_text(), "nobody is told")
    said = log.read_text()
    refused = len(machine.server.numbers)
    machine.until(lambda: len(machine.server.numbers) > refused + 2, "it does not try again")
    assert log.read_text() == said
    machine.server.status = 200
    machine.until(lambda: machine.logind.calls, "it does not sleep")
    assert log.read_text().count("suspend in") == 2


def test_reloaded_again_and_again_it_still_naps(machine):
    machine.start()
    for _ in range(15):
        os.kill(machine.process.pid, signal.SIGHUP)
        time.sleep(0.1)
    calls = len(machine.logind.calls)
    machine.until(lambda: len(machine.logind.calls) > calls, "it does not sleep")
    assert "Traceback" not in machine.text() and "internal error" not in machine.text()
