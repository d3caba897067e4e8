# SPDX-License-Identifier: GPL-3.0-or-later
"""A site's own programs run while the machine saves power; some turn Wake-on-LAN off (as pm-utils' and TLP's do)."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.usefixtures("machine")
LAMPS = '[steps.lamps]\nafter_seconds = 1\naction = "exec"\ncommand = "{}"\n'
SLEEPING = '[steps.sleeping]\nafter_seconds = 3600\naction = "suspend"\n'
MONITOR = '[monitors.ssh]\nkind = "tcp"\nports = [22]\n'


def run(machine, program, steps):
    """Start the daemon, and wait until it has run that program in the folder of the fake ethtool."""
    lamps = machine.folder / "lamps"
    lamps.write_text(f'#!/bin/sh\n[ "$1" = true ] || exit 0\ncd {machine.folder} && {program}; touch ran\n')
    lamps.chmod(0o755)
    machine.write(more=MONITOR + LAMPS.format(lamps) + steps)
    machine.start()
    machine.until((machine.folder / "ran").exists, "the program does not run")


def armed(machine):
    return (machine.folder / "eth0.armed").read_text().strip()


def test_wake_on_lan_is_asserted_after_them(machine):
    run(machine, "echo d >eth0.armed", SLEEPING)
    machine.until(lambda: armed(machine) == "g", "it stays off")


def test_where_that_fails_it_is_told_in_a_sentence_and_the_step_stays(machine):
    run(machine, "rm eth0.supported", SLEEPING)
    machine.until(lambda: "this machine will not sleep as things stand: eth0" in machine.text(), "it is not told")
    assert machine.ask("status")["in_effect"] == ["exec (lamps)"]


def test_a_machine_that_never_sleeps_is_left_as_it_is(machine):
    run(machine, "true", "")
    machine.until(lambda: machine.ask("status")["in_effect"], "the step is not in effect")
    assert armed(machine) == "d"


def test_before_a_wake_server_knows_it_nothing_is_armed_and_no_false_alarm_is_given(machine):
    (machine.folder / "client.key").unlink()
    machine.write()
    machine.start()
    machine.until(lambda: machine.ask("status")["server"]["enrolment"]["error"], "it does not ask to be known")
    assert "this machine will not sleep as things stand" not in machine.text()
    assert armed(machine) == "d"
