# SPDX-License-Identifier: GPL-3.0-or-later
"""What monitors look for is there, and safe, within the sandbox of powernapd's own unit."""

from __future__ import annotations

import pathlib
import re

import napping
import pytest

ROLES = pathlib.Path(__file__).resolve().parents[2] / "roles"
UNIT = ROLES / "powernapd/templates/powernapd.service.j2"
OBSERVE = '[nap]\nmode = "observe"\nabsent_seconds = 3600\nvirtualization = "none"\n'
LOCKS = '[monitors.backup]\nkind = "lock"\n'
GUESTS = '[monitors.guests]\nkind = "guest"\n'
BORG = "/root/.cache/borg/4f2a"
LIBVIRT = "/run/user/4711/libvirt/qemu/run"
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


def test_the_daemon_cannot_write_to_homes(napper):
    napper.start(OBSERVE + LOCKS)
    inside = napper.run(f"nsenter -m -t {napper.pid()} touch {BORG}/written", check=False)
    assert "Read-only file system" in inside.stderr


def test_only_the_knobs_of_powersave_can_be_turned(napper):
    napper.start(OBSERVE)
    mounts = {}
    for line in napper.run(f"cat /proc/{napper.pid()}/mountinfo").stdout.splitlines():
        fields = line.split()
        mounts[fields[4]] = fields[5].split(",")[0]  # the last mount on a path is the one that counts
    for path in ("/proc/sys", "/sys", "/"):
        assert mounts[path] == "ro", (path, mounts)
    for path in ("/proc/sys/vm", "/sys/power"):  # the rest of /sys is read-only to a lab host itself
        assert mounts[path] == "rw", (path, mounts)


@pytest.mark.parametrize(("program", "most"), [("powernapd", 3.3), ("powerwaked", 1.9)])
def test_the_units_are_hardened(napper, program, most):
    unit = (ROLES / program / f"templates/{program}.service.j2").read_text()
    said = napper.run(
        f"cat >/tmp/{program}.service; systemd-analyze security --offline=true /tmp/{program}.service", input=unit
    )
    exposure = re.search(r"Overall exposure level for \S+: ([\d.]+)", said.stdout)
    assert exposure and float(exposure[1]) <= most, said.stdout


def test_the_unit_needs_no_template_engine():
    text = UNIT.read_text()
    assert "{{" not in text and "{%" not in text and "{#" not in text
