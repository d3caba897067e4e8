# SPDX-License-Identifier: GPL-3.0-or-later
"""powernapd as a process takes its leave in the right words, and does not tell twice who woke the machine."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest


def linked(machine, times=1):
    machine.until(lambda: len(machine.server.of("hello")) >= times, "it says no hello")
    machine.until(lambda: machine.ask("status")["server"].get("link") == "websocket", "it is not linked")


@pytest.mark.parametrize("target", ["poweroff", "reboot"])
def test_that_the_machine_is_switched_off_by_somebody_is_said_as_what_it_is(machine, target):
    machine.write(absent=500)
    machine.logind.ending = target
    machine.start()
    linked(machine)
    machine.until(lambda: machine.logind.delays, "it holds no delay inhibitor")
    machine.logind.somebody_stops()
    machine.until(lambda: "off" in machine.logind.history, "the shutdown does not come")
    machine.stop()
    assert machine.server.of("bye") == [{"cause": target}]


def test_a_shutdown_that_was_called_off_leaves_a_plain_stop(machine):
    machine.write(absent=500)
    machine.start()
    linked(machine)
    machine.until(lambda: machine.logind.delays, "it holds no delay inhibitor")
    machine.logind.somebody_stops()
    machine.until(lambda: "off" in machine.logind.history, "the shutdown does not come")
    machine.stop()  # and no job of systemd's is on its way to poweroff.target
    assert machine.server.of("bye") == [{"cause": "stopped"}]


def test_a_reload_with_another_server_takes_leave_of_the_old(machine):
    machine.write(absent=500)
    machine.start()
    linked(machine)
    machine.write(absent=500, server="timeout_seconds = 7")
    assert machine.ask("reload")["ok"]
    linked(machine, times=2)
    machine.until(lambda: machine.server.of("bye"), "it says nothing")
    assert machine.server.of("bye") == [{"cause": "reload"}]
    machine.until(lambda: machine.server.of("state"), "the new link says nothing")
    assert machine.ask("status")["server"]["error"] == ""


def test_for_whom_it_was_woken_is_noted_once_whatever_powernapd_is_started(machine):
    machine.write(absent=500)
    knock = {"reason": "demand", "asked_by": "SYN", "address": "198.18.0.7", "port": 22}
    machine.server.woken_for = {**knock, "at": time.time() - 3, "packets": 2}
    for start in (1, 2):
        machine.start()
        linked(machine, times=start)
        machine.until(lambda: machine.ask("status")["server"]["woken_for"], "status does not tell")
        machine.stop()
    machine.server.woken_for = {**knock, "at": time.time() - 1, "packets": 2}
    machine.start()
    linked(machine, times=3)
    machine.until(lambda: len(told(machine)) == 2, "another wake is not noted")
    machine.stop()
    assert len(told(machine)) == 2


def told(machine):
    lines = (machine.state / "history.jsonl").read_text().splitlines()
    return [line for line in map(json.loads, lines) if "woken_for" in line]


def test_no_job_of_the_machine_that_runs_the_tests_is_seen(machine):
    machine.write(absent=500)
    machine.start()
    root = Path(f"/proc/{machine.process.pid}/root")
    folders = [root / name for name in ("etc/cron.d", "var/spool/cron", "var/spool/at") if (root / name).is_dir()]
    assert [file for folder in folders for file in folder.iterdir()] == []
