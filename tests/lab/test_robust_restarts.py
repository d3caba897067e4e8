# SPDX-License-Identifier: GPL-3.0-or-later
"""logind and the bus restart at any step: no descent stops, and no order is lost unnoticed."""

from __future__ import annotations

import time

import pytest
from meddling import LATER, SLOW, SLOW_DESCENT, SOON, delay_sleeps, stops_at_its_last_look
from napping import QUIET


@pytest.mark.parametrize("who", ["systemd-logind", "dbus"])
def test_a_neighbour_that_restarts_in_every_phase_of_a_descent_stops_nothing(napper, who):
    napper.run("systemctl start idle-one")
    napper.start(QUIET + SLOW_DESCENT)
    pid = napper.pid()
    for state in ("awake", "powersave", "warned"):
        napper.reaches(state)
        napper.run(f"systemctl restart {who}", timeout=60)
    napper.falls_asleep()
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
    stops_at_its_last_look(napper)
    napper.run(f"systemctl restart {who}", timeout=60)
    napper.run("rm -f /run/slow")
    napper.falls_asleep()
    assert napper.known_state() != "awake"


def test_an_order_that_dies_with_logind_is_noticed_at_once(napper):
    napper.start(LATER + QUIET)
    delay_sleeps(napper, 4)
    napper.run("powernap now")
    napper.reaches("asleep")
    napper.run("systemctl restart systemd-logind", timeout=60)
    napper.reaches("awake", 15)
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
