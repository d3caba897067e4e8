# SPDX-License-Identifier: GPL-3.0-or-later
"""A descent in steps, the warnings on the way, who forbids the last step, and what is told of it all afterwards."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import time

import napping
import pytest
from ansible_collections.powernap.lab.plugins.module_utils import inventory
from napping import QUIET

WARNINGS = """
[warnings.wall]
kind = "wall"
[warnings.log]
kind = "syslog"
[warnings.own]
kind = "exec"
command = ["/usr/local/bin/told"]
"""
TOLD = "#!/bin/sh\necho $POWERNAP_EVENT $POWERNAP_ACTION >>/run/told; cat >/dev/null\n"
LAMPS = "#!/bin/sh\necho $1 >>/run/lamps\n"
DESCENT = """
[nap]
min_awake_seconds = 0
backoff_seconds = 1
[powersave]
services = ["idle-two"]
[steps.never]
after_seconds = 1
action = "hibernate"
between = ["{not_now}"]
[steps.lamps]
after_seconds = 1.2
action = "exec"
command = "/usr/local/bin/lamps"
between = ["{now}"]
[steps.saving]
after_seconds = {saving}
action = "powersave"
[steps.sleeping]
after_seconds = {sleep}
grace_seconds = 1
action = "suspend"
[monitors.typing]
kind = "console"
paths = ["/dev/pts/[0-9]*"]
"""
PROFILE = '# For this site.\n[monitors.site]\nkind = "lock"\nheld = []\nexists = ["/run/site"]\n'
IDLE_TWO = "[Service]\nExecStart=/bin/sleep 4326\n"
LATER = "[nap]\nabsent_seconds = 3600\nmin_awake_seconds = 0\n"
NOW = "[nap]\nabsent_seconds = 1\ngrace_seconds = 0\nmin_awake_seconds = 0\nbackoff_seconds = 1\n"


@pytest.fixture(scope="module")
def installed(running_lab):
    napper = napping.Napper(running_lab, "web1")
    for path, text in (("told", TOLD), ("lamps", LAMPS)):
        napper.run(f"cat >/usr/local/bin/{path}; chmod 755 /usr/local/bin/{path}", input=text)
    napper.run("cat >/run/systemd/system/idle-two.service; systemctl daemon-reload", input=IDLE_TWO)
    return napper


@pytest.fixture
def napper(installed, lab):
    lab.set("web1", "resume_delay", 0)
    installed.run("ethtool -s eth0 wol g; rm -f /run/lamps /run/told; systemctl start idle-two")
    yield installed
    if lab.state("web1") == "asleep":
        lab.button("web1")
        lab.wait_state("web1", "awake", 60)
    installed.run("systemctl stop holding 'due.*' idle-two", check=False)
    installed.run("rm -rf /etc/powernap/profiles /etc/powernap/powernapd.d/*")
    installed.stop()


@pytest.fixture
def person(napper):
    """Somebody who is logged in by ssh."""
    lab = napper.lab
    command = ["ssh", "-tt", *inventory.ssh_options(lab), "root@" + lab.host("web1")["ipv4"], "cat"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        napper.until(lambda: napper.run("who").stdout, what="the login")
        yield Person(process)
        process.kill()


class Person:
    def __init__(self, process):
        self.process = process

    def types(self):
        self.process.stdin.write(b"x\n")
        self.process.stdin.flush()

    def leaves(self):
        """Return all that was on the terminal."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(0.3)
        self.process.kill()
        return self.process.stdout.read().decode(errors="replace")


def windows():
    """Return an hour around now, and one that is hours away."""
    hour = time.gmtime().tm_hour
    return {
        "now": f"{(hour - 1) % 24:02}:00-{(hour + 2) % 24:02}:00",
        "not_now": f"{(hour + 6) % 24:02}:00-{(hour + 7) % 24:02}:00",
    }


def descent(sleep, saving=1.8):
    return DESCENT.format(sleep=sleep, saving=saving, **windows()) + WARNINGS


def lamps(napper):
    return napper.run("cat /run/lamps", check=False).stdout.split()


def service(napper):
    return napper.run("systemctl is-active idle-two", check=False).stdout.strip()


def test_it_goes_down_step_by_step_and_wakes_up_to_all_that_was(napper):
    napper.start(descent(4))
    napper.falls_asleep()
    began = napper.lab.last("web1", "asleep")["time"] - napper.since
    assert 3.9 < began < 40
    assert napper.known_state() != "awake"
    napper.wake()
    napper.until(lambda: lamps(napper)[:2] == ["true", "false"])
    order = [each["state"] for each in napper.ask("decisions")["decisions"]]
    assert order.index("powersave") < order.index("warned") < order.index("suspending") < order.index("asleep")
    text = napper.run("powernap why").stdout
    assert "hibernate" in text
    napper.known_as("awake")
    told = napper.ask("history")
    (nap,) = told["naps"][:1]
    assert nap["actions"] == ["exec (lamps)", "powersave", "suspend"] or nap["actions"][-1] == "suspend", nap
    assert nap["asleep_seconds"] > 0
    assert told["totals"]["naps"] >= 1


@pytest.mark.parametrize("step", ["exec (lamps)", "powersave", "warned"])
def test_from_every_step_somebody_who_types_brings_it_back_at_once(napper, person, step):
    # Warned for long: on a busy machine the keys are to come before the sleep.
    config = descent(12 if step == "warned" else 600, 500 if step == "exec (lamps)" else 1.8)
    napper.start(re.sub("grace_seconds = .*", "grace_seconds = 5", config) if step == "warned" else config)
    napper.until(lambda: step in (napper.status()["state"], *napper.status()["in_effect"][-1:]), what=step)
    person.types()
    napper.until(lambda: lamps(napper) == ["true", "false"], what="the way back")
    napper.until(lambda: service(napper) == "active")
    napper.reaches("awake")
    assert napper.lab.state("web1") == "awake"
    if step == "warned":
        napper.until(lambda: napper.run("cat /run/told").stdout == "warning suspend\ncancelled suspend\n")
        logged = napper.run(f"journalctl -q -o cat --since=@{napper.since:.3f} SYSLOG_FACILITY=3 -t powernapd").stdout
        assert "suspend" in logged
        assert len(re.findall("web1", person.leaves())) >= 2, "on the terminal: the warning, and that it is over"


# --- who forbids it


def test_an_inhibitor_of_logind_holds_until_it_ends(napper):
    napper.run(
        "systemd-run -q --collect --unit=holding systemd-inhibit --what=sleep --who=Backup --why=copying sleep 60"
    )
    napper.until(lambda: "Backup" in napper.run("systemd-inhibit --list").stdout)
    napper.start(NOW + QUIET)
    napper.reaches("held")
    assert "Backup forbids sleep: copying" in napper.run("powernap why").stdout
    assert "copying" in napper.run("powernap now", check=False).stderr
    napper.run("systemctl stop holding")
    napper.falls_asleep()


def test_a_lease_holds_while_its_command_runs(napper):
    napper.start(NOW + QUIET)
    napper.run("systemd-run -q --collect --unit=holding powernap inhibit --reason 'nightly copy' sleep 60")
    napper.reaches("held")
    assert "nightly copy" in napper.run("powernap status").stdout
    time.sleep(1.5)
    assert napper.lab.state("web1") == "awake"
    napper.run("systemctl stop holding")
    napper.falls_asleep()


def test_a_timer_that_is_due_in_two_minutes_holds_a_nap_of_five(napper):
    napper.run("systemd-run -q --unit=due --on-active=120 true")
    napper.start(NOW + QUIET + "[sleep]\nmin_sleep_seconds = 300\n")
    napper.reaches("held")
    assert "due.timer" in napper.run("powernap why").stdout
    time.sleep(2)
    assert napper.status()["state"] == "held"
    assert napper.lab.state("web1") == "awake"


# --- what is told


def test_the_journal_has_fields_for_programs_and_watch_tells_as_it_happens(napper):
    napper.start(LATER + QUIET)
    napper.reaches("awake")
    napper.run("systemd-run -q --collect --unit=holding -p StandardOutput=file:/run/watched powernap watch --json")
    napper.until(lambda: napper.run("cat /run/watched", check=False).stdout)
    napper.lab.order("web1", "powernap now")
    napper.falls_asleep()
    napper.wake()
    napper.until(lambda: "resuming" in napper.run("cat /run/watched").stdout)
    watched = [json.loads(line) for line in napper.run("cat /run/watched").stdout.splitlines()]
    assert {"suspending", "asleep", "resuming"} <= {each["state"] for each in watched}
    lines = napper.run(f"journalctl -q -o json --since=@{napper.since:.3f} -u powernapd").stdout.splitlines()
    entries = [entry for entry in map(json.loads, lines) if "POWERNAP_STATE" in entry]
    states = [entry["POWERNAP_STATE"] for entry in entries]
    assert states[states.index("suspending") :][:3] == ["suspending", "asleep", "resuming"]
    assert all(entry["SYSLOG_IDENTIFIER"] == "powernapd" for entry in entries)
    why = napper.ask("why")
    assert why["ok"] and why["text"]


def test_an_observer_decides_and_touches_nothing(napper):
    napper.start(descent(4).replace("[nap]\n", '[nap]\nmode = "observe"\n'))
    napper.reaches("observing")
    napper.until(lambda: "it would suspend now" in napper.log())
    assert napper.lab.state("web1") == "awake"
    assert napper.known_state() == "awake"
    assert (lamps(napper), service(napper)) == ([], "active")
    assert napper.run("cat /run/told", check=False).stdout == ""
    assert "observe" in napper.run("powernap now", check=False).stderr


def test_a_profile_is_applied_and_one_that_is_wrong_changes_nothing(napper):
    napper.start(LATER + QUIET)
    before = napper.pid()
    napper.run("mkdir -p /etc/powernap/profiles; cat >/etc/powernap/profiles/site.toml", input=PROFILE)
    said = napper.run("powernap profile apply site", check=False)
    assert said.returncode == 0, said.stderr
    napper.until(lambda: {"work", "site"} == {each["name"] for each in napper.status()["monitors"]})
    assert napper.pid() == before
    napper.run("cat >/etc/powernap/profiles/wrong.toml", input=PROFILE.replace("exists", "exist"))
    said = napper.run("powernap profile apply wrong", check=False)
    assert said.returncode != 0
    assert "wrong.toml: monitors.site.exist: no such key; did you mean exists?" in said.stderr
    assert {"work", "site"} == {each["name"] for each in napper.status()["monitors"]}
