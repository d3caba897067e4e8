# SPDX-License-Identifier: GPL-3.0-or-later
"""powernap inhibit against powernapd: both are real processes."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from itertools import takewhile
from pathlib import Path

import pytest

from powernap.cli.commands.inhibit import duration


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("30m", 1800), ("2h", 7200), ("1d12h", 129600), ("0.5h", 1800)]
)
def test_times_are_written_as_people_do(text, seconds):
    assert duration(text) == seconds


@pytest.mark.parametrize("text", ["", "h", "2x", "-1h", "0", "2 h", "1h,5m"])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(argparse.ArgumentTypeError, match="is no time"):
        duration(text)


def inhibit(machine, *words, **more):
    command = [sys.executable, "-m", "powernap", "powernap", "inhibit", "--control-socket", str(machine.socket), *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more)


def said(process):
    out, error = process.communicate(timeout=20)
    return process.returncode, out + error


def start_patient(machine):
    """It does not nap before a lease is there, however long that takes."""
    machine.write(absent=300)
    machine.start()


def be_impatient(machine):
    machine.write()
    assert machine.ask("reload")["ok"]


def test_a_lease_holds_the_nap_over_a_restart_until_it_is_released(machine):
    start_patient(machine)
    status, text = said(inhibit(machine, "--for", "1h", "--reason", "moving data", "--who", "kim"))
    assert (status, text) == (0, "lease 1: held awake for 3600 s\n")
    be_impatient(machine)
    held = machine.until(lambda: machine.ask("status")["held_by"], "it is not held")
    assert held[0].startswith("kim holds lease 1 for another 3") and held[0].endswith("moving data")
    assert "Earliest suspend: in 3" in machine.ask("why")["text"]
    assert 3000 < machine.ask("status")["deadline_seconds"] <= 3600
    machine.stop()
    machine.start()
    time.sleep(2)
    assert not machine.logind.calls
    assert said(inhibit(machine, "--list"))[1].startswith("1: kim, 3")
    assert said(inhibit(machine, "--release", "1"))[0] == 0
    machine.until(lambda: machine.logind.calls, "it does not sleep")


def test_a_command_is_run_and_its_end_by_kill_9_frees_the_machine(machine):
    start_patient(machine)
    process = inhibit(machine, "--", "sleep", "60")
    machine.until(lambda: f"process {process.pid}: sleep 60" in said(inhibit(machine, "--list"))[1], "it has no lease")
    be_impatient(machine)
    time.sleep(1.5)
    assert not machine.logind.calls
    os.kill(process.pid, signal.SIGKILL)
    process.wait(10)
    machine.until(lambda: machine.logind.calls, "it does not sleep")


def test_the_status_is_that_of_the_command(machine):
    machine.start()
    assert said(inhibit(machine, "--for", "1m", "sh", "-c", "echo done; exit 7")) == (7, "done\n")
    assert said(inhibit(machine, "/nowhere"))[0] == 1


def test_that_there_is_no_lease_is_said(machine):
    machine.start()
    status, text = said(inhibit(machine, "--list"))
    assert status == 0
    assert "no lease holds this machine awake" in text


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ((), "give --for TIME"),
        (("--for", "1h"), "give --reason"),
        (("--for", "40d", "--reason", "x"), "at most 86400 s (inhibitors.max_lease_seconds)"),
        (("--release", "9"), "there is no lease 9"),
        (("list",), "options stand before it: powernap inhibit --list"),
    ],
)
def test_what_cannot_be_is_said_with_the_remedy(machine, words, complaint):
    machine.start()
    status, text = said(inhibit(machine, *words))
    assert status == 1
    assert complaint in text


@pytest.mark.skipif(os.geteuid() != 0, reason="becoming somebody else needs root")
def test_users_hold_by_their_own_processes_only_and_release_only_their_own(machine):
    machine.start()
    nobody = {"user": 65534, "group": 65534, "extra_groups": ()}
    top = Path(tempfile.gettempdir()).resolve()
    for folder in takewhile(lambda each: each != top, (machine.folder, *machine.folder.parents)):
        folder.chmod(0o711)  # pytest's own are closed to others
    script = (
        "import json,socket,sys\ns=socket.socket(socket.AF_UNIX)\ns.connect(sys.argv[1])\n"
        "s.sendall(sys.argv[2].encode()+b'\\n')\nprint(s.makefile().readline())\n"
    )

    def ask(request):
        done = subprocess.run(
            ["/usr/bin/python3", "-c", script, str(machine.socket), request],
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
            **nobody,
        )
        return done.stdout

    lease = '{"command": "inhibit", "who": "n", "reason": "r", "seconds": 60, "pid": %d, "uid": 0}'
    assert "is not yours" in ask(lease % machine.process.pid)
    assert '"uid": 65534' in ask(lease % 0)
    said(inhibit(machine, "--for", "1m", "--reason", "root's"))
    assert "another user's" in ask('{"command": "release", "id": "2", "uid": 0}')
    assert '"ok": true' in ask('{"command": "release", "id": "1"}')
