# SPDX-License-Identifier: GPL-3.0-or-later
"""Others meddle, and things are missing: the machine is awake or asleep as intended."""

from __future__ import annotations

import os
import signal
import subprocess
import time

import pytest
from meddling import DESCENT, LATER, SLOW_DESCENT, SOON, seen_from_here, wake_up
from napping import QUIET

# --- suspend by somebody else


@pytest.mark.parametrize("state", ["awake", "powersave", "warned"])
def test_somebody_elses_suspend_is_registered_and_ends_in_a_fresh_idle_period(napper, state):
    napper.run("systemctl start idle-one")
    napper.start(QUIET + (LATER if state == "awake" else SLOW_DESCENT))
    napper.reaches(state)
    napper.lab.order("web1", "systemctl suspend")
    napper.falls_asleep()
    assert napper.known_state() != "awake"
    napper.wake()
    napper.run("touch /run/work")
    napper.known_as("awake")
    napper.reaches("awake")
    log = napper.log()
    assert "somebody else puts the machine to sleep" in log
    assert log.count("resuming: slept") == 1
    if state != "awake":
        napper.until(lambda: napper.run("systemctl is-active idle-one", check=False).stdout == "active\n")
        napper.until(lambda: napper.run("cat /run/lamps", check=False).stdout.split()[-1:] != ["true"])


# --- NICs come and go


NICS = """
[monitors.magic]
kind = "wol"
[monitors.traffic]
kind = "network"
exclude = ["lo"]
[monitors.web]
kind = "tcp"
ports = [8080]
"""
MAGIC = """
import socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(("plug0p", 0))
mac = bytes.fromhex(sys.argv[1].replace(":", ""))
s.send(mac + mac + bytes.fromhex("0842") + b"\\xff" * 6 + mac * 16)
"""


def test_a_nic_that_is_plugged_in_is_watched_and_one_that_is_pulled_out_is_missed_by_nobody(napper):
    napper.start(LATER.replace("3600", "8") + NICS)
    napper.reaches("awake")
    for name in ("plug0", "plug2"):
        napper.run(f"ip link add {name} type veth peer name {name}p; ip link set {name} up; ip link set {name}p up")
    mac = napper.run("cat /sys/class/net/plug0/address").stdout.strip()

    def seen():
        napper.run(["python3", "-c", MAGIC, mac])
        return monitor(napper, "magic")["idle_seconds"] is not None

    try:
        napper.until(seen, what="the magic packet")
    finally:
        napper.run("ip link del plug0; ip link del plug2")
    assert [each["error"] for each in napper.status()["monitors"]] == ["", "", ""]
    napper.falls_asleep()
    napper.wake()
    assert "failed" not in napper.log()


def monitor(napper, name):
    return next(each for each in napper.status()["monitors"] if each["name"] == name)


# --- a full disk


@pytest.fixture
def full_disk(napper):
    """What must survive on a file system of its own, without a byte to spare; the fixture's value makes room."""
    napper.stop()
    state, root = "/var/lib/powernapd", "/var/lib/powernap-hands"
    napper.run(f"cp {state}/link-sequence /opt/", check=False)  # the wake server takes no number twice
    napper.run(f"mkdir -p {state}; mount -t tmpfs -o size=64k,mode=700 none {state}")
    napper.run(f"cp /opt/link-sequence {state}/", check=False)
    napper.run(f"systemctl stop powernap-hands; mkdir -p {root}; mount -t tmpfs -o size=16k,mode=755 none {root}")
    for folder in (state, root):
        napper.run(f"dd if=/dev/zero of={folder}/filling bs=1k 2>/dev/null", check=False)
    yield lambda: napper.run(f"rm {state}/filling")
    wake_up(napper)
    napper.stop()
    napper.run(f"systemctl stop powernap-hands; umount {root}; umount {state}", check=False)


def test_on_a_full_disk_it_stays_awake_says_why_and_naps_when_there_is_room(napper, full_disk):
    napper.start(SOON + QUIET, fresh=False)
    napper.reaches("backoff")
    assert "free some space" in napper.ask("why")["text"]
    assert "No space left" in napper.status()["history"]["history_error"]
    assert napper.known_state() in ("awake", "unknown", "unreachable", "expired")
    assert "held awake" in napper.run("powernap inhibit --for 1s --reason full").stdout
    full_disk()
    napper.falls_asleep()
    assert napper.known_state() != "awake"


def test_on_a_full_disk_powersave_touches_nothing_that_it_could_not_put_back(napper, full_disk):
    napper.run("systemctl start idle-one")
    napper.start(DESCENT.replace("= 3\n", "= 3600\n") + QUIET, fresh=False)
    napper.logs("left alone")
    napper.logs("is not run")
    assert napper.run("systemctl is-active idle-one", check=False).stdout == "active\n"
    assert napper.run("cat /run/lamps", check=False).stdout == ""


# --- what root may not read


def test_a_process_that_even_root_may_not_read_counts_as_active_and_is_named(napper):
    """Of the user namespace outside: there the host's root is nobody."""
    space = str(napper.lab.host("web1")["pid"])
    with subprocess.Popen(["nsenter", "--target", space, "--pid", "--", "sleep", "4325"]) as process:
        try:
            napper.start(SOON + QUIET + '[monitors.copy]\nkind = "io"\npattern = "sleep 4325"\n')
            copy = napper.until(lambda: monitor(napper, "copy"))
            assert copy["active"]
            assert "denied" in copy["error"] or "not permitted" in copy["error"], copy
            assert napper.lab.state("web1") == "awake"
        finally:
            os.kill(seen_from_here(napper, napper.run("pgrep -f 'sleep 432[5]'").stdout.strip()), signal.SIGKILL)
            process.wait(10)
    napper.falls_asleep()


# --- the wall clock


FAKE_WALL = """
import pathlib, time
_time, _time_ns, _file = time.time, time.time_ns, pathlib.Path("/run/fake-wall")
def offset():
    try:
        return int(_file.read_text())
    except (OSError, ValueError):
        return 0
time.time = lambda: _time() + offset()
time.time_ns = lambda: _time_ns() + offset() * 10**9
"""


@pytest.fixture
def fake_wall(napper):
    """Set the wall clock, as powernapd sees it, off by so many seconds: no host of the lab may set the machine's."""
    folder = "/etc/systemd/system/powernapd.service.d"
    napper.run("mkdir -p /opt/fake-wall; cat >/opt/fake-wall/sitecustomize.py", input=FAKE_WALL)
    napper.run(
        f"cat >{folder}/wall.conf; systemctl daemon-reload", input="[Service]\nEnvironment=FAKE=/opt/fake-wall:\n"
    )
    yield lambda seconds: napper.run(f"echo {seconds} >/run/fake-wall")
    napper.run(f"rm -f /run/fake-wall {folder}/wall.conf; systemctl daemon-reload")


def test_a_wall_clock_that_jumps_a_day_either_way_makes_no_nap_early_and_prevents_none(napper, fake_wall):
    napper.start(LATER.replace("3600", "3") + QUIET + '[monitors.console]\nkind = "console"\n')
    fake_wall(86400)
    napper.run("powernap inhibit --for 2s --reason day")
    time.sleep(1)
    fake_wall(-86400)
    napper.falls_asleep()
    assert 3 < napper.lab.last("web1", "asleep")["time"] - napper.since < 40
    assert napper.known_state() != "awake"
    napper.wake()
    napper.run("touch /run/work")
    napper.known_as("awake")
    assert 0 <= napper.status()["idle_seconds"] < 60
