# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests share in which powernapd is killed, its neighbours restart, and others meddle."""

from __future__ import annotations

import contextlib
import pathlib

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
#: For whoever is to come in time for each of its states, on a busy machine too.
SLOW_DESCENT = (
    DESCENT.replace("= 1\naction", "= 3\naction")
    .replace("1.2", "3.2")
    .replace("= 3\ngrace", "= 12\ngrace")
    .replace("0.8", "4")
)
IDLE_ONE = "[Service]\nExecStart=/bin/sleep 4324\n"


def wake_up(napper):
    if napper.lab.state("web1") == "asleep":
        napper.lab.button("web1")
        napper.lab.wait_state("web1", "awake", 60)


def is_killed_and_runs_again(napper):
    before = napper.pid()
    napper.kill()
    napper.until(lambda: napper.pid() not in (0, before), what="the restart")
    napper.until(lambda: napper.run("systemctl is-active powernapd", check=False).stdout == "active\n")


def stops_at_its_last_look(napper):
    """The wake server has been told that it naps, and it does not until /run/slow goes."""
    napper.run("touch /run/slow; systemd-run -q --collect powernap now")
    napper.until(lambda: napper.known_state() != "awake")


def delay_sleeps(napper, seconds=4):
    """Somebody else holds sleeps up for some seconds, at most logind's five."""
    napper.run(f"systemd-run -q --collect --unit=delaying systemd-inhibit --what=sleep --mode=delay sleep {seconds}")
    napper.until(lambda: "delay" in napper.run("systemd-inhibit --list | grep sleep.[0-9]", check=False).stdout)


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
