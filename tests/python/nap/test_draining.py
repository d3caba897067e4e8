# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine is taken out of service before it naps, and put back: powernapd as a process, and a program of a site."""

from __future__ import annotations

import json

import pytest

PROGRAM = """#!/bin/sh
echo "$1" >>{folder}/drained
[ "$1" = true ] && [ -e {folder}/busy ] && {{ echo "jobs are running" >&2; exit 1; }}
[ -e {folder}/slow ] && sleep 30
exit 0
"""


@pytest.fixture
def served(machine):
    """With a drain, and so idle that only orders let it nap."""
    program = machine.folder / "drain"
    program.write_text(PROGRAM.format(folder=machine.folder))
    program.chmod(0o755)
    machine.write(more=f'[sleep]\ndrain = "{program}"\ndrain_seconds = 3\n', absent=500)
    machine.start()
    machine.until(lambda: machine.server.messages, "it does not register")
    return machine


def drained(machine):
    file = machine.folder / "drained"
    return file.read_text().split() if file.exists() else []


def test_it_is_drained_before_it_registers_and_put_back_when_it_is_awake_again(served):
    assert served.ask("now")["ok"]
    served.until(lambda: served.logind.calls, "it does not sleep")
    assert drained(served)[0] == "true" and served.server.said("asleep")
    served.until(lambda: drained(served) == ["true", "false"], "it is not put back")
    served.until(lambda: not (served.state / "drained.json").exists(), "that it was drained is not forgotten")


def test_where_draining_fails_it_stays_awake_is_put_back_and_says_why(served):
    (served.folder / "busy").touch()
    answer = served.ask("now")
    assert not answer["ok"] and "jobs are running" in answer["error"]
    assert drained(served) == ["true", "false"]
    assert not served.logind.calls and not served.server.said("asleep")
    assert "jobs are running" in json.dumps(served.ask("why"))


def test_a_drain_that_does_not_end_in_time_is_killed_and_the_machine_stays_awake(served):
    (served.folder / "slow").touch()
    answer = served.ask("now")
    assert not answer["ok"] and "3 s" in answer["error"], answer
    assert not served.logind.calls


def test_what_a_crash_left_drained_is_put_back_at_the_next_start(served):
    (served.state / "drained.json").write_text(f'["{served.folder}/drain"]')
    served.process.kill()
    served.process.wait()
    served.start()
    served.until(lambda: drained(served) == ["false"], "it is not put back")


def test_a_sleep_that_is_refused_ends_in_service(served):
    served.server.status = 503
    assert not served.ask("now")["ok"]
    served.until(lambda: drained(served) == ["true", "false"], "it is not put back")
    assert not served.logind.calls
