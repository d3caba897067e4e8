# SPDX-License-Identifier: GPL-3.0-or-later
"""What monitors look for is there, and safe, within the sandboxes of powernapd's units, of which one is root."""

from __future__ import annotations

import json
import pathlib
import re

import napping
import pytest

from powernap.nap import monitors
from powernap.profiles.render import render, templates

ROLES = pathlib.Path(__file__).resolve().parents[2] / "roles"
UNIT = ROLES / "powernapd/templates/powernapd.service.j2"
SECURITY = ROLES.parent / "docs/security.md"
PROBE = pathlib.Path(__file__).with_name("probe.py")
OBSERVE = '[nap]\nmode = "observe"\nabsent_seconds = 3600\nvirtualization = "none"\n'
#: In a home, which only powernap-hands sees.
LOCKS = '[monitors.backup]\nkind = "lock"\nexists = ["/root/.cache/borg/*/lock.exclusive"]\n'
GUESTS = '[monitors.guests]\nkind = "guest"\n'
BORG = "/root/.cache/borg/4f2a"
LIBVIRT = "/run/user/4711/libvirt/qemu/run"
#: What each kind of monitor needs to be told; those that are not here need nothing.
KINDS_WANT = {
    "cgroup": 'groups = ["system.slice/stirring.service"]\n',
    "cgroup-io": 'groups = ["system.slice/stirring.service"]\n',
    "extra": 'command = ["/bin/true"]\n',
    "io": 'pattern = "(^|/)sleep 4711"\n',
    "lock": 'exists = ["/root/.cache/borg/*/lock.exclusive"]\n',
    "process": 'pattern = "(^|/)sleep 4711"\n',
    "query": 'url = "http://127.0.0.1/"\nstatus = 200\n',
    "tcp": "ports = [22]\n",
    "udp": "ports = [53]\n",
    "unit": 'units = ["stirring.service"]\n',
}
STATUS = "<domstatus state='running' reason='booted' pid='1'><domain><name>atelier</name></domain></domstatus>"


@pytest.fixture(scope="module")
def napper(running_lab):
    made = napping.Napper(running_lab, "web1")
    made.run(
        f"mkdir -p {BORG}/lock.exclusive {LIBVIRT}; chmod 700 /root/.cache /run/user/4711; chown -R 4711 /run/user/4711"
    )
    made.run(f"cat >{LIBVIRT}/atelier.xml; chmod 600 {LIBVIRT}/atelier.xml", input=STATUS)
    yield made
    made.stop()
    made.run("rm -rf /root/.cache/borg /run/user/4711")


def test_a_backups_lock_in_the_home_of_root_and_a_users_guest_are_seen(napper):
    napper.start(OBSERVE + LOCKS + GUESTS)
    said = {each["name"]: each for each in napper.status()["monitors"]}
    assert said["backup"]["active"] and f"{BORG}/lock.exclusive" in said["backup"]["detail"], said
    assert said["guests"]["active"] and "atelier" in said["guests"]["detail"], said


def test_no_kind_of_monitor_fails_there_and_what_goes_on_is_seen(napper):
    napper.run("systemd-run -q --collect --unit=stirring -p IOAccounting=yes sleep 4711")
    napper.start(
        OBSERVE + "".join(f'[monitors.{kind}]\nkind = "{kind}"\n{KINDS_WANT.get(kind, "")}' for kind in monitors.KINDS)
    )
    said = {each["kind"]: each for each in napper.status()["monitors"]}
    napper.run("systemctl stop stirring")
    assert set(said) == set(monitors.KINDS)
    failed = {kind: each["error"] for kind, each in said.items() if each["error"]}
    counted = failed.pop("cgroup-io", "nobody counts the io")  # a host of the lab has no io controller
    assert not failed and counted.startswith("nobody counts the io"), (failed, counted)
    for kind in ("process", "unit", "extra", "query", "lock", "guest"):
        assert said[kind]["active"], said[kind]
    assert "1 process" in said["io"]["detail"], said["io"]


def test_a_lock_that_names_a_process_of_root_is_no_left_over_though_that_is_hidden(napper):
    napper.run("echo 1 >/run/made.pid")
    napper.start(OBSERVE + '[monitors.made]\nkind = "lock"\nheld = []\nexists = ["/run/made.pid"]\n')
    (made,) = napper.status()["monitors"]
    assert made["active"] and "/run/made.pid" in made["detail"], made


def test_a_user_holds_it_awake_by_a_command_though_that_process_is_hidden(napper):
    napper.start(OBSERVE + LOCKS)
    held = ["powernap", "inhibit", "--reason", "copying", "powernap", "inhibit", "--list"]
    said = napper.run(["setpriv", "--reuid=nobody", "--clear-groups", *held])
    assert "copying" in said.stdout, said


def test_the_monitors_that_every_profile_has_are_looked_at_without_hands(napper):
    napper.start(OBSERVE + render("base", templates()["base"], {"cpus": 2}))  # which asks them for what it keeps
    napper.until(lambda: not hands(napper), 60, "the end of powernap-hands")
    said = {each["kind"]: each for each in napper.ask("why")["monitors"]}  # looks at everything
    assert "lock" in said and not any(each["error"] for each in said.values()), said
    assert not hands(napper)


def test_hands_cannot_write_to_homes(napper):
    napper.start(OBSERVE + LOCKS)
    inside = napper.run(f"nsenter -m -t {hands(napper)} touch {BORG}/written", check=False)
    assert "Read-only file system" in inside.stderr


def test_only_the_knobs_of_powersave_can_be_turned_and_only_by_hands(napper):
    napper.start(OBSERVE + LOCKS)
    mounts = {program: mounted(napper, pid) for program, pid in (("powernapd", napper.pid()), ("hands", hands(napper)))}
    for path in ("/proc/sys", "/sys", "/"):
        assert mounts["hands"][path] == mounts["powernapd"][path] == "ro", (path, mounts)
    assert mounts["hands"]["/proc/sys/vm"] == "rw", mounts
    assert "/proc/sys/vm" not in mounts["powernapd"], mounts
    assert mounts["hands"]["/sys/power"] == "rw", mounts  # the rest of /sys is read-only to a lab host itself


def test_hands_have_no_network(napper):
    napper.start(OBSERVE + LOCKS)
    links = [napper.run(f"readlink /proc/{pid}/ns/net").stdout for pid in (napper.pid(), hands(napper), 1)]
    assert links[0] == links[2] != links[1]


def test_hands_end_when_nobody_asks_and_are_there_again_when_somebody_does(napper):
    napper.start(OBSERVE + LOCKS)
    assert hands(napper)
    napper.until(lambda: not hands(napper), 60, "the end of powernap-hands")
    assert napper.run("systemctl is-active powernapd").stdout == "active\n"
    napper.start(OBSERVE + LOCKS)
    assert hands(napper)


def test_who_has_taken_over_powernapd_gets_no_further(napper):
    """In the sandbox of its unit, as its user, with its capabilities."""
    napper.start(OBSERVE + LOCKS)
    napper.run("cat >/opt/probe.py", input=PROBE.read_text())
    unit = re.sub(r"^ExecStart=.*$", "ExecStart=/usr/bin/python3 /opt/probe.py", UNIT.read_text(), flags=re.MULTILINE)
    unit = unit.replace("Type=notify", "Type=oneshot\nStandardOutput=file:/run/probed")
    unit = re.sub(r"^(Restart|Watchdog|Runtime|ExecReload).*\n", "", unit, flags=re.MULTILINE)
    napper.run("rm -f /run/probed; cat >/run/systemd/system/probe.service; systemctl daemon-reload", input=unit)
    napper.run("systemctl start probe", timeout=90)
    came = json.loads(napper.run("cat /run/probed; rm -f /var/lib/powernapd/probe").stdout)
    assert {name for name, why in came.items() if not why} == {name for name in came if name.startswith("allowed")}, (
        came
    )
    assert len(came) > 20


def test_hands_do_nothing_for_others(napper):
    napper.start(OBSERVE + LOCKS)
    ask = "import socket; socket.socket(socket.AF_UNIX).connect('/run/powernap-hands.sock')"
    refused = napper.run(["setpriv", "--reuid=nobody", "--clear-groups", "python3", "-c", ask], check=False)
    assert "PermissionError" in refused.stderr


@pytest.mark.parametrize(("role", "unit"), [("powernapd",) * 2, ("powernapd", "powernap-hands"), ("powerwaked",) * 2])
def test_the_units_are_hardened(napper, role, unit):
    text = (ROLES / role / f"templates/{unit}.service.j2").read_text()
    said = napper.run(
        f"cat >/tmp/{unit}.service; systemd-analyze security --offline=true /tmp/{unit}.service", input=text
    )
    exposure = re.search(r"Overall exposure level for \S+: ([\d.]+)", said.stdout)
    assert exposure and float(exposure[1]) < 2.0, said.stdout
    documented = re.search(rf"^\| {unit}\.service \| ([\d.]+) \|", SECURITY.read_text(), re.MULTILINE)
    assert documented and documented[1] == exposure[1]


def hands(napper):
    return int(napper.run("systemctl show -P MainPID powernap-hands").stdout)


def mounted(napper, pid):
    """How what is mounted is mounted, by its place; the last mount on a place is the one that counts."""
    lines = napper.run(f"cat /proc/{pid}/mountinfo").stdout.splitlines()
    return {fields[4]: fields[5].split(",")[0] for fields in map(str.split, lines)}


def test_the_unit_needs_no_template_engine():
    text = "".join(template.read_text() for template in UNIT.parent.glob("powernap*"))
    assert "{{" not in text and "{%" not in text and "{#" not in text
