# SPDX-License-Identifier: GPL-3.0-or-later
"""What monitors look for is there, and safe, within the sandbox of powernapd's own unit."""

from __future__ import annotations

import pathlib

import napping
import pytest

UNIT = pathlib.Path(__file__).resolve().parents[2] / "roles/powernapd/templates/powernapd.service.j2"
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


def test_the_unit_needs_no_template_engine():
    text = UNIT.read_text()
    assert "{{" not in text and "{%" not in text and "{#" not in text
