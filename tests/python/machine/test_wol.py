# SPDX-License-Identifier: GPL-3.0-or-later
"""Arming for Wake-on-LAN, with a fake ethtool that keeps the setting."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from powernap.machine.wol import NotArmed, WakeOn, arm, parse

REAL = """Settings for eno1:
	Supported ports: [ TP ]
	Speed: 1000Mb/s
	Supports Wake-on: pumbg
	Wake-on: d
        Current message level: 0x00000007 (7)
	Link detected: yes
"""


class FakeEthtool:
    def __init__(self, supported="pumbg", armed="d", keeps=True, fails=""):
        self.supported, self.armed, self.keeps, self.fails = supported, armed, keeps, fails
        self.writes = []

    def __call__(self, command, **_options):
        if command[1] == "-s":
            assert command[3] == "wol"
            self.writes.append(command[4])
            if self.fails:
                return SimpleNamespace(returncode=95, stdout="", stderr=self.fails)
            if self.keeps:
                self.armed = command[4]
            return SimpleNamespace(returncode=0, stdout="", stderr="")
        text = "Settings for eth0:\n"
        if self.supported:
            text += f"\tSupports Wake-on: {self.supported}\n\tWake-on: {self.armed}\n"
        return SimpleNamespace(returncode=0, stdout=text, stderr="")


def test_the_output_of_ethtool_is_understood():
    assert parse(REAL) == WakeOn("pumbg", "d")
    assert parse("Settings for veth0:\n\tSpeed: 10000Mb/s\n") == WakeOn("", "")


def test_a_card_is_armed_and_that_is_verified():
    ethtool = FakeEthtool()
    assert arm("eth0", ethtool) is True
    assert ethtool.armed == "g"


def test_what_else_wakes_it_is_kept():
    ethtool = FakeEthtool(armed="pu")
    arm("eth0", ethtool)
    assert ethtool.writes == ["pug"]


def test_an_armed_card_is_not_written_again():
    ethtool = FakeEthtool(armed="ug")
    assert arm("eth0", ethtool) is False
    assert ethtool.writes == []


@pytest.mark.parametrize("supported", ["", "d", "pu"])
def test_a_card_that_cannot_is_named_with_the_remedies(supported):
    with pytest.raises(NotArmed, match=r"eth0 cannot be woken .* nap\.interfaces.* nap\.require_wake_on_lan = false"):
        arm("eth0", FakeEthtool(supported=supported))


def test_a_card_that_forgets_is_told():
    with pytest.raises(NotArmed, match="does not keep its Wake-on-LAN setting"):
        arm("eth0", FakeEthtool(keeps=False))


def test_a_refusal_of_ethtool_is_told_in_its_words():
    with pytest.raises(NotArmed, match="Operation not permitted"):
        arm("eth0", FakeEthtool(fails="netlink error: Operation not permitted"))


def test_a_missing_ethtool_is_told_with_its_package():
    def missing(*_arguments, **_options):
        raise FileNotFoundError

    with pytest.raises(NotArmed, match="install the package ethtool"):
        arm("eth0", missing)


def test_the_devices_own_switch_is_turned_on_too(tmp_path):
    switch = tmp_path / "sys/class/net/eth0/device/power/wakeup"
    switch.parent.mkdir(parents=True)
    switch.write_text("disabled\n")
    assert arm("eth0", FakeEthtool(armed="g"), tmp_path) is True
    assert switch.read_text() == "enabled"
    assert arm("eth0", FakeEthtool(armed="g"), tmp_path) is False
