# SPDX-License-Identifier: GPL-3.0-or-later
"""Mains, battery, lid and screens, from trees of files: this machine has none of them."""

from __future__ import annotations

import pytest

from powernap.machine.power import PowerSupply, read


def supply(root, name, **values):
    folder = root / "sys/class/power_supply" / name
    folder.mkdir(parents=True)
    for key, value in values.items():
        (folder / key).write_text(f"{value}\n")


def write(root, path, text):
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


def test_a_machine_that_cannot_tell_says_nothing(tmp_path):
    assert read(tmp_path) == PowerSupply(None, None, None, None)


def test_mains_that_are_online_decide_though_a_battery_is_there(tmp_path):
    supply(tmp_path, "AC", type="Mains", online=1)
    supply(tmp_path, "BAT0", type="Battery", status="Charging", capacity=40)
    assert read(tmp_path).on_battery is False
    assert read(tmp_path).battery_percent == 40


@pytest.mark.parametrize("status", ["Discharging", "Unknown"])
def test_without_mains_it_runs_on_battery(tmp_path, status):
    supply(tmp_path, "AC", type="Mains", online=0)
    supply(tmp_path, "BAT0", type="Battery", status=status, capacity=40)
    assert read(tmp_path).on_battery is True


def test_an_ups_that_is_discharged_is_a_battery(tmp_path):
    supply(tmp_path, "hidups", type="UPS", status="Discharging", capacity=91)
    assert read(tmp_path) == PowerSupply(True, 91.0)


def test_the_battery_of_a_mouse_is_none_of_the_machine(tmp_path):
    supply(tmp_path, "mouse", type="Battery", scope="Device", status="Discharging", capacity=3)
    assert read(tmp_path) == PowerSupply()


def test_two_batteries_count_by_their_size(tmp_path):
    supply(tmp_path, "BAT0", type="Battery", status="Full", energy_now=30, energy_full=30, capacity=100)
    supply(tmp_path, "BAT1", type="Battery", status="Discharging", energy_now=0, energy_full=70, capacity=0)
    assert read(tmp_path).battery_percent == 30.0


@pytest.mark.parametrize(("text", "closed"), [("state:      open\n", False), ("state:      closed\n", True)])
def test_the_lid(tmp_path, text, closed):
    write(tmp_path, "proc/acpi/button/lid/LID0/state", text)
    assert read(tmp_path).lid_closed is closed


def test_only_a_screen_that_is_not_built_in_is_external(tmp_path):
    write(tmp_path, "sys/class/drm/card0-eDP-1/status", "connected\n")
    write(tmp_path, "sys/class/drm/card0-HDMI-A-1/status", "disconnected\n")
    assert read(tmp_path).external_display is False
    write(tmp_path, "sys/class/drm/card0-HDMI-A-1/status", "connected\n")
    assert read(tmp_path).external_display is True


def test_what_logind_knows_fills_the_gaps_and_its_guesses_do_not():
    known = PowerSupply(on_battery=True, lid_closed=None)
    assert known.completed(on_battery=False, lid_closed=True, docked=False) == PowerSupply(True, None, True, None)
    assert PowerSupply().completed(on_battery=False, lid_closed=False, docked=True) == PowerSupply(
        None, None, False, True
    )
