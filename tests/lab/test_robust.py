# SPDX-License-Identifier: GPL-3.0-or-later
"""powernapd is killed, its neighbours restart, others meddle: the machine is awake or asleep as intended."""

from __future__ import annotations

import contextlib
import os
import pathlib
import random
import signal
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
after_seconds = 1.5
action = "exec"
command = "/usr/local/bin/lamps"
[steps.sleeping]
after_seconds = 4
grace_seconds = 1.5
action = "suspend"
"""
IDLE_ONE = "[Service]\nExecStart=/bin/sleep 4324\n"


@pytest.fixture(scope="module")
def installed(running_lab):
    napper = napping.Napper(running_lab, "web1")
    napper.run("cat >/usr/local/bin/slow; chmod 755 /usr/local/bin/slow", input=SLOW_PROGRAM)
    napper.run("printf '#!/bin/sh\\necho $1 >>/run/lamps\\n' >/usr/local/bin/lamps; chmod 755 /usr/local/bin/lamps")
    napper.run("cat >/run/systemd/system/idle-one.service; systemctl daemon-reload", input=IDLE_ONE)
    return napper


@pytest.fixture
def napper(installed, lab):
    """powernapd on web1, which nobody runs yet; it is ended, and the machine awake, afterwards."""
    lab.set("web1", "resume_delay", 0)
    installed.run("ethtool -s eth0 wol g; rm -f /run/slow /run/lamps")
    yield installed
    if lab.state("web1") == "asleep":
        lab.button("web1")
        lab.wait_state("web1", "awake", 10)
    installed.run("rm -f /run/slow; systemctl stop delaying", check=False)
    installed.stop()
    installed.run("systemctl start dbus systemd-logind; systemctl stop idle-one", check=False)


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
    delay_sleeps(napper, 4)
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
    napper.known_as("proxied")
    os.kill(seen_from_here(napper, pid), signal.SIGKILL)
    time.sleep(0.5)
    assert napper.lab.state("web1") == "asleep"
    assert napper.known_state() == "proxied"
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
    napper.start(DESCENT.replace("= 4\n", "= 3600\n") + QUIET)
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
    for _ in range(4):
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
