# SPDX-License-Identifier: GPL-3.0-or-later
"""powernapd is killed at any step: the machine is awake or asleep as intended, and the wake server knows."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time

from meddling import (
    DESCENT,
    LATER,
    SLOW,
    SOON,
    delay_sleeps,
    is_killed_and_runs_again,
    seen_from_here,
    stops_at_its_last_look,
)
from napping import QUIET


def test_killed_while_idle_it_is_awake_and_naps_later(napper):
    napper.start(LATER + QUIET)
    is_killed_and_runs_again(napper)
    napper.reaches("awake")
    napper.known_as("awake")
    napper.lab.order("web1", "powernap now")
    napper.falls_asleep()


def test_killed_between_the_wake_servers_word_and_the_sleep_it_is_awake_and_the_server_knows(napper):
    napper.start(LATER + SLOW)
    stops_at_its_last_look(napper)
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
    kept = set(napper.run("ls /var/lib/powernapd").stdout.split())
    assert kept - {"addresses.json"} == {"history.jsonl", "link-sequence"}, "no journal of what was changed stays"
    assert napper.run("ls /var/lib/powernap-hands").stdout.split() == []


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


# --- powernap-hands


def test_hands_killed_in_powersave_all_of_it_is_taken_back_by_the_next_ones(napper):
    napper.run("systemctl start idle-one")
    napper.start(DESCENT.replace("= 3\n", "= 3600\n") + QUIET)
    napper.until(lambda: napper.run("cat /run/lamps", check=False).stdout == "true\n")
    napper.until(lambda: napper.run("systemctl is-active idle-one", check=False).stdout == "inactive\n")
    napper.run("systemctl kill -s KILL powernap-hands", check=False)
    napper.run("touch /run/work")
    napper.until(lambda: napper.run("systemctl is-active idle-one", check=False).stdout == "active\n", 30)
    napper.until(lambda: napper.run("cat /run/lamps").stdout == "true\nfalse\n", 30)
    napper.reaches("awake")
    assert napper.run("ls /var/lib/powernap-hands").stdout.split() == []


def test_without_hands_it_stays_awake_says_why_and_naps_when_they_are_back(napper):
    napper.start(SOON.replace("absent_seconds = 1", "absent_seconds = 3") + QUIET)
    napper.run("touch /run/work; systemctl stop powernap-hands.socket powernap-hands; rm /run/work")
    napper.reaches("held")
    assert "powernap-hands" in napper.ask("why")["text"]
    assert napper.lab.state("web1") == "awake"
    napper.run("systemctl start powernap-hands.socket")
    napper.falls_asleep(60)
    assert napper.known_state() != "awake"
