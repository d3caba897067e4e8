# SPDX-License-Identifier: GPL-3.0-or-later
"""powernapd is killed, its neighbours restart, others meddle: the machine is awake or asleep as intended."""

from __future__ import annotations

import contextlib
import os
import pathlib
import random
import signal
import subprocess
import time

import napping
import pytest
from napping import QUIET

SOON = "[nap]\nabsent_seconds = 1\ngrace_seconds = 0\nmin_awake_seconds = 0\nbackoff_seconds = 1\n"
LATER = SOON.replace("absent_seconds = 1", "absent_seconds = 3600")
#: Holds the last look, between the wake server's word and the sleep, while /run/slow is there.
SLOW = '[monitors.slow]\nkind = "extra"\ncommand = ["/usr/local/bin/slow"]\nevery = 0\nseconds = 9\n'
SLOW_PROGRAM = "#!/bin/sh\nwhile [ -e /run/slow ]; do sleep 0.05; done\nexit 1\n"
DESCENT = """
[nap]
min_awake_seconds = 0
backoff_seconds = 1
[powersave]
services = ["idle-one"]
[steps.saving]
after_seconds = 1
action = "powersave"
[steps.lamps]
after_seconds = 1.2
action = "exec"
command = "/usr/local/bin/lamps"
[steps.sleeping]
after_seconds = 3
grace_seconds = 0.8
action = "suspend"
"""
IDLE_ONE = "[Service]\nExecStart=/bin/sleep 4324\n"


@pytest.fixture(scope="module")
def installed(running_lab):
    napper = napping.Napper(running_lab, "web1")
    napper.run("cat >/usr/local/bin/slow; chmod 755 /usr/local/bin/slow", input=SLOW_PROGRAM)
    napper.run("printf '#!/bin/sh\\necho $1 >>/run/lamps\\n' >/usr/local/bin/lamps; chmod 755 /usr/local/bin/lamps")
    napper.run("cat >/run/systemd/system/idle-one.service", input=IDLE_ONE)
    for neighbour in ("dbus", "systemd-logind"):  # they restart more often here than systemd lets them
        folder = f"/run/systemd/system/{neighbour}.service.d"
        napper.run(f"mkdir -p {folder}; cat >{folder}/often.conf", input="[Unit]\nStartLimitIntervalSec=0\n")
    napper.run("systemctl daemon-reload")
    return napper


@pytest.fixture
def napper(installed, lab):
    """powernapd on web1, which nobody runs yet; it is ended, and the machine awake, afterwards."""
    lab.set("web1", "resume_delay", 0)
    installed.run("ethtool -s eth0 wol g; rm -f /run/slow /run/lamps")
    yield installed
    wake_up(installed)
    installed.run("rm -f /run/slow; systemctl stop delaying", check=False)
    installed.stop()
    installed.run("systemctl start dbus systemd-logind; systemctl stop idle-one", check=False)


def wake_up(napper):
    if napper.lab.state("web1") == "asleep":
        napper.lab.button("web1")
        napper.lab.wait_state("web1", "awake", 10)


def is_killed_and_runs_again(napper):
    before = napper.pid()
    napper.kill()
    napper.until(lambda: napper.pid() not in (0, before), what="the restart")
    napper.until(lambda: napper.run("systemctl is-active powernapd", check=False).stdout == "active\n")


def delay_sleeps(napper, seconds=4):
    """Somebody else holds sleeps up for some seconds, at most logind's five."""
    napper.run(f"systemd-run -q --collect --unit=delaying systemd-inhibit --what=sleep --mode=delay sleep {seconds}")
    napper.until(lambda: "delay" in napper.run("systemd-inhibit --list | grep sleep.[0-9]", check=False).stdout)


# --- kill -9


def test_killed_while_idle_it_is_awake_and_naps_later(napper):
    napper.start(LATER + QUIET)
    is_killed_and_runs_again(napper)
    napper.reaches("awake")
    napper.known_as("awake")
    napper.lab.order("web1", "powernap now")
    napper.falls_asleep()


def test_killed_between_the_wake_servers_word_and_the_sleep_it_is_awake_and_the_server_knows(napper):
    napper.start(LATER + SLOW)
    napper.run("touch /run/slow; systemd-run -q --collect powernap now")
    napper.until(lambda: napper.known_state() != "awake")
    is_killed_and_runs_again(napper)
    napper.run("rm /run/slow")
    napper.known_as("awake")
    napper.reaches("awake")
    assert napper.lab.state("web1") == "awake"


def test_killed_after_its_order_while_others_hold_the_sleep_up_the_server_believes_it_asleep_in_the_end(napper):
    napper.start(LATER + QUIET)
    delay_sleeps(napper, 3)
    napper.run("powernap now")
    napper.reaches("asleep")
    is_killed_and_runs_again(napper)
    napper.falls_asleep()
    napper.known_as("proxied")
    napper.wake()
    napper.known_as("awake")
    napper.reaches("awake")
    assert napper.log().count("resuming: slept") == 1


def test_killed_while_asleep_the_sleep_goes_on_and_ends_as_any(napper):
    napper.start(LATER + QUIET)
    pid = napper.pid()
    napper.lab.order("web1", "powernap now")
    napper.falls_asleep()
    os.kill(seen_from_here(napper, pid), signal.SIGKILL)
    time.sleep(0.5)
    assert napper.lab.state("web1") == "asleep"
    assert napper.known_state() != "awake"
    napper.wake()
    napper.until(lambda: napper.pid() not in (0, pid), what="the restart")
    napper.known_as("awake")
    napper.reaches("awake")


def seen_from_here(napper, pid):
    """Return the number that a process of the host has outside of it."""
    space = pathlib.Path(f"/proc/{napper.lab.host('web1')['pid']}/ns/pid").readlink()
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (process / "ns/pid").readlink() == space:
                text = (process / "status").read_text()
                numbers = text.partition("NSpid:")[2].partition("\n")[0].split()
                if numbers[-1] == str(pid):
                    return int(process.name)
    raise AssertionError(f"no process {pid} on web1")


def test_killed_in_powersave_all_of_it_is_taken_back(napper):
    napper.run("systemctl start idle-one")
    napper.start(DESCENT.replace("= 3\n", "= 3600\n") + QUIET)
    napper.until(lambda: napper.run("cat /run/lamps", check=False).stdout == "true\n")
    napper.until(lambda: napper.run("systemctl is-active idle-one", check=False).stdout == "inactive\n")
    napper.run("touch /run/work")
    napper.kill()
    napper.until(lambda: napper.run("systemctl is-active idle-one", check=False).stdout == "active\n")
    napper.until(lambda: napper.run("cat /run/lamps").stdout == "true\nfalse\n")
    napper.reaches("awake")
    assert napper.run("ls /var/lib/powernapd").stdout.split() == ["history.jsonl", "link-sequence"]


def test_killed_at_any_moment_machine_and_wake_server_agree_in_the_end(napper):
    moments = random.Random(20)
    napper.start(SOON + QUIET)
    for _ in range(3):
        pid = napper.until(napper.pid)
        time.sleep(moments.uniform(0.9, 1.5))
        with contextlib.suppress(AssertionError, ProcessLookupError):
            os.kill(seen_from_here(napper, pid), signal.SIGKILL)
        napper.falls_asleep()
        assert napper.known_state() != "awake"
        napper.wake()
    napper.run("touch /run/work")
    napper.known_as("awake")
    napper.reaches("awake")


# --- suspend by somebody else


@pytest.mark.parametrize("state", ["awake", "powersave", "warned"])
def test_somebody_elses_suspend_is_registered_and_ends_in_a_fresh_idle_period(napper, state):
    napper.run("systemctl start idle-one")
    napper.start(QUIET + (LATER if state == "awake" else DESCENT))
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


# --- its neighbours restart


@pytest.mark.parametrize("who", ["systemd-logind", "dbus"])
def test_a_neighbour_that_restarts_in_every_phase_of_a_descent_stops_nothing(napper, who):
    napper.run("systemctl start idle-one")
    napper.start(QUIET + DESCENT)
    pid = napper.pid()
    for state in ("awake", "powersave", "warned"):
        napper.reaches(state)
        napper.run(f"systemctl restart {who}", timeout=60)
    napper.falls_asleep(30)
    assert napper.known_state() != "awake"
    napper.wake()
    napper.run(f"touch /run/work; systemctl restart {who}", timeout=60)
    napper.known_as("awake")
    napper.reaches("awake")
    assert napper.pid() == pid
    napper.until(lambda: "powernapd" in napper.run("systemd-inhibit --list", check=False).stdout)
    napper.until(lambda: napper.run("systemctl is-active idle-one", check=False).stdout == "active\n")


@pytest.mark.parametrize("who", ["systemd-logind", "dbus"])
def test_a_neighbour_that_restarts_between_the_wake_servers_word_and_the_sleep(napper, who):
    napper.start(SOON.replace("absent_seconds = 1", "absent_seconds = 2") + SLOW)
    napper.reaches("awake")
    napper.run("touch /run/slow; systemd-run -q --collect powernap now")
    napper.until(lambda: napper.known_state() != "awake")
    napper.run(f"systemctl restart {who}", timeout=60)
    napper.run("rm -f /run/slow")
    napper.falls_asleep(20)
    assert napper.known_state() != "awake"


def test_an_order_that_dies_with_logind_is_noticed_at_once(napper):
    napper.start(LATER + QUIET)
    delay_sleeps(napper, 4)
    napper.run("powernap now")
    napper.reaches("asleep")
    napper.run("systemctl restart systemd-logind", timeout=60)
    napper.reaches("awake", 3)
    napper.known_as("awake")
    assert napper.lab.state("web1") == "awake"


def test_an_order_that_outlives_the_bus_is_carried_out_and_registered(napper):
    """systemd-logind ends with the bus, and its order with it; or it has been given to systemd already."""
    napper.start(LATER + QUIET)
    delay_sleeps(napper, 4)
    napper.run("powernap now")
    napper.reaches("asleep")
    napper.lab.order("web1", "systemctl restart dbus", timeout=60)
    time.sleep(2)
    if napper.lab.state("web1") == "asleep":
        napper.known_as("proxied")
    else:
        napper.reaches("awake")
        napper.known_as("awake")


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
    napper.start(LATER.replace("3600", "3") + NICS)
    napper.reaches("awake")
    for name in ("plug0", "plug2"):
        napper.run(f"ip link add {name} type veth peer name {name}p; ip link set {name} up; ip link set {name}p up")
    try:
        time.sleep(1)  # a look
        napper.run(["python3", "-c", MAGIC, napper.run("cat /sys/class/net/plug0/address").stdout.strip()])
        napper.until(lambda: monitor(napper, "magic")["idle_seconds"] is not None, 5, "the magic packet")
    finally:
        napper.run("ip link del plug0; ip link del plug2")
    assert [each["error"] for each in napper.status()["monitors"]] == ["", "", ""]
    napper.falls_asleep(20)
    napper.wake()
    assert "failed" not in napper.log()


def monitor(napper, name):
    return next(each for each in napper.status()["monitors"] if each["name"] == name)


# --- a full disk


@pytest.fixture
def full_disk(napper):
    """/var/lib/powernapd on a file system of its own, without a byte to spare; the fixture's value makes room."""
    napper.stop()
    state = "/var/lib/powernapd"
    napper.run(f"cp {state}/link-sequence /opt/", check=False)  # the wake server takes no number twice
    napper.run(f"mkdir -p {state}; mount -t tmpfs -o size=64k,mode=700 none {state}")
    napper.run(f"cp /opt/link-sequence {state}/", check=False)
    napper.run(f"dd if=/dev/zero of={state}/filling bs=1k 2>/dev/null", check=False)
    yield lambda: napper.run(f"rm {state}/filling")
    wake_up(napper)
    napper.kill()  # in order it would try for a while to tell the wake server
    napper.stop()
    napper.run(f"umount {state}", check=False)


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
    assert 3 < napper.lab.last("web1", "asleep")["time"] - napper.since < 10
    assert napper.known_state() != "awake"
    napper.wake()
    napper.run("touch /run/work")
    napper.known_as("awake")
    assert 0 <= napper.status()["idle_seconds"] < 3
