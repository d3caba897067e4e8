# SPDX-License-Identifier: GPL-3.0-or-later
"""powernapd as a process says what it did and why: watch, history, recording, the journal (conftest.py's Machine)."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from powernap.machine import journal


def powernap(machine, *words, **more):
    command = [sys.executable, "-m", "powernap", "powernap", *words, "--control-socket", str(machine.socket)]
    return subprocess.run(command, capture_output=True, text=True, timeout=20, check=False, **more)


def test_a_nap_is_watched_and_becomes_history(machine):
    machine.write(more="[energy]\nwatts_awake = 50\n")
    machine.start()
    watching = subprocess.Popen(
        [sys.executable, "-m", "powernap", "powernap", "watch", "--json", "--control-socket", str(machine.socket)],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        machine.until(lambda: "asleep" in machine.logind.history, "it does not sleep")
        machine.until(
            lambda: any(said["cause"] == "resume" for said in machine.server.said("awake")), "it stays asleep"
        )
        said = powernap(machine, "history", "--json")
        machine.stop()
        watched = [json.loads(line) for line in watching.stdout]
        assert watching.wait(10) == 1, "the end of the daemon ends it"
    finally:
        watching.kill()
        watching.wait()
    assert watched.pop() == {"ok": False, "error": "powernapd has ended, or what it said was not read fast enough"}
    assert {"suspending", "asleep", "resuming"} <= {record["event"] for record in watched}
    assert watched[0]["monitors"][0]["name"] == "ssh" or not watched[0]["monitors"]
    content = json.loads(said.stdout)
    nap = content["naps"][0]
    assert nap["actions"] == ["suspend"] and nap["ended"] is not None
    assert 0.1 < nap["asleep_seconds"] < 10
    assert content["totals"]["estimated_kwh_saved"] == pytest.approx(nap["asleep_seconds"] * 50 / 3.6e6, rel=0.5)
    lines = [json.loads(line) for line in (machine.state / "history.jsonl").read_text().splitlines()]
    assert lines[0]["state"] == "started" and lines[-1]["state"] == "stopped"


def test_who_forbids_a_sleep_is_told_long_before_it_is_due(machine):
    machine.write(absent=500)
    machine.logind.block("sleep", "Backup", "copying disks")
    machine.start()
    machine.until(lambda: machine.ask("status")["held_by"] == ["Backup forbids sleep: copying disks"], "not told")
    said = machine.ask("why")
    assert {"by": "inhibitor", "name": "", "sentence": "Backup forbids sleep: copying disks"} in said["keeps_awake"]
    assert said["deadline_seconds"] is None
    assert machine.ask("status")["state"] == "awake", "to ask changes nothing"
    assert (said["profile"], said["conflicts"]) == ("", [])
    machine.logind.unblock()
    machine.until(lambda: machine.ask("status")["held_by"] == [], "told still")
    assert machine.ask("why")["deadline_seconds"] > 400


def test_history_survives_a_kill_and_is_read_without_the_daemon(machine):
    machine.write(absent=500)
    machine.start()
    machine.until(lambda: machine.ask("status")["state"] == "awake", "it is not awake")
    machine.process.kill()
    machine.process.wait()
    machine.start()
    machine.stop()
    said = powernap(machine, "history", "--file", str(machine.state / "history.jsonl"))
    assert said.returncode == 0
    assert "unwatched" in said.stdout and "no nap in this time" in said.stdout


def test_recording_is_switched_on_and_off_and_only_then_costs_looks(machine):
    machine.write(absent=500, more="[history]\nrecord_every_seconds = 1\n")
    machine.start()
    machine.until(lambda: machine.ask("status")["state"] == "awake", "it is not awake")
    file = machine.state / "recording.jsonl"
    assert not file.exists()
    assert powernap(machine, "record", "on").stdout == f"recording to {file}\n"
    machine.until(lambda: file.exists() and len(file.read_text().splitlines()) >= 3, "it does not look")
    assert machine.ask("status")["history"]["recording"] == str(file)
    assert powernap(machine, "record", "off").stdout == "not recording\n"
    assert machine.ask("status")["history"]["recording"] == ""
    record = json.loads(file.read_text().splitlines()[1])
    assert record["state"] == "awake" and record["monitors"]["ssh"]["kind"] == "tcp"


def test_a_full_disk_is_said_and_stops_nothing(machine):
    machine.write(absent=500)
    machine.start()
    (machine.state / "history.jsonl").unlink()
    (machine.state / "history.jsonl").mkdir()  # a file that cannot be written, even by root
    assert machine.ask("now")["ok"]
    machine.until(lambda: "cannot be written" in machine.ask("status")["history"]["history_error"], "it is not said")
    assert machine.process.poll() is None


def test_the_failure_of_a_warning_is_shown(machine):
    (machine.folder / "bin/wall").write_text("#!/bin/sh\nexit 3\n")
    machine.server.status = 503
    machine.start()
    machine.until(lambda: "returned non-zero" in machine.ask("status")["warnings"][0]["error"], "it is not shown")


def test_the_end_of_the_daemon_calls_off_its_warning(machine):
    machine.write(absent=3)
    text = machine.config.read_text()
    machine.config.write_text(text.replace("grace_seconds = 0.4", "grace_seconds = 1.5"))
    machine.start()
    machine.until(lambda: "suspend in" in (machine.text()), "nobody is warned")
    machine.stop()
    said = (machine.folder / "wall.log").read_text().splitlines()
    assert len(said) == 2 and said[1] == "web1 stays awake: powernapd is stopped."


@pytest.mark.skipif(Path(journal.SOCKET).exists(), reason="the line would go to this machine's journal")
def test_where_standard_error_is_the_journal_but_nobody_takes_the_fields_the_lines_still_come_once(
    machine, monkeypatch
):
    machine.log.touch()
    status = machine.log.stat()
    monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino}")
    machine.write(absent=500)
    machine.start()
    assert machine.text().count("watches ssh") == 1
    assert "<6>powernapd" in machine.text()
