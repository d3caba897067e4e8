# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whoever sets up the card arms it at each boot; afterwards all is as it was."""

from __future__ import annotations

import json
import pathlib
import shutil
import subprocess

import pytest
from ansible_collections.powernap.powernap.plugins.module_utils import _wol
from ansible_collections.powernap.powernap.plugins.modules import powernap_wol

FAKE_NMCLI = pathlib.Path(__file__).resolve().parents[2] / "fake_nmcli"
UUID = "5f3a1c9e-1111-4222-8333-944455556666"
MAC = "02:4c:00:00:00:03"
DEFAULT_LINK = """# systemd's own
[Match]
OriginalName=*

[Link]
NamePolicy=keep kernel database onboard slot path
; a remark
MACAddressPolicy=persistent
"""
OWN_LINK = """# Written by Ansible: the settings of /usr/lib/systemd/network/99-default.link, and Wake-on-LAN.
[Match]
PermanentMACAddress=02:4c:00:00:00:03

[Link]
NamePolicy=keep kernel database onboard slot path
MACAddressPolicy=persistent
WakeOnLan=magic
"""


class FakeMachine:
    """One card, eth0, in a tree of files; ethtool and ip are functions of it, nmcli is a program."""

    def __init__(self, root, monkeypatch):
        self.root, self.armed, self.supported, self.switch = root, "d", "pumbg", None
        self.said_by_ip = {"ifname": "eth0", "address": "02:ff:ff:ff:ff:ff", "permaddr": MAC}
        self.write("sys/class/net/eth0/ifindex", "2\n")
        monkeypatch.setattr(powernap_wol, "ROOT", str(root))
        monkeypatch.setattr(powernap_wol, "runner", lambda module: self.run)

    def write(self, path, text):
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def read(self, path):
        return (self.root / path).read_text()

    def network_manager(self, state, wol="default", file=""):
        shutil.copy(FAKE_NMCLI, self.root / "nmcli")
        for name, text in (("state", state), ("wol", wol), ("file", file), ("calls", "")):
            self.write(f"nm/{name}", text + "\n" if text else "")

    def calls(self):
        return self.read("nm/calls").splitlines()

    def udev(self, link="/usr/lib/systemd/network/99-default.link"):
        said = f"E:ID_NET_LINK_FILE={link}\n" if link else ""
        self.write("run/udev/data/n2", f"I:1\nE:ID_NET_DRIVER=e1000e\n{said}G:systemd\n")

    def run(self, command):
        if command[0] == "ethtool":
            if command[1:] == ["eth0"]:
                return 0, f"Settings for eth0:\n\tSupports Wake-on: {self.supported}\n\tWake-on: {self.armed}\n", ""
            assert command[1:4] == ["-s", "eth0", "wol"] and len(command) == 5, command
            self.armed = command[4]
            if self.switch:  # device_set_wakeup_enable() of drivers
                self.switch.write_text("disabled\n" if self.armed == "d" else "enabled\n")
            return 0, "", ""
        if command[0] == "ip":
            assert command == ["ip", "-json", "link", "show", "dev", "eth0"]
            return 0, json.dumps([self.said_by_ip]), ""
        assert command[0] == "nmcli", command
        if not (self.root / "nmcli").exists():
            return 127, "", "nmcli is not installed"
        done = subprocess.run(
            [str(self.root / "nmcli"), *command[1:]],
            env={"FAKE_NMCLI": str(self.root / "nm"), "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert "fake nmcli" not in done.stderr, done.stderr
        return done.returncode, done.stdout, done.stderr

    def files(self):
        return {
            str(path.relative_to(self.root)): path.read_bytes()
            for path in self.root.rglob("etc/**/*")
            if path.is_file()
        }


@pytest.fixture
def machine(tmp_path, monkeypatch):
    (tmp_path / "root/etc").mkdir(parents=True)
    return FakeMachine(tmp_path / "root", monkeypatch)


@pytest.fixture
def wol(run, tmp_path):
    def module(state="present", **more):
        if state == "present":
            more.setdefault("interfaces", ["eth0"])
        return run(powernap_wol.main, state=state, folder=str(tmp_path / "notes"), **more)

    return module


def story(machine, wol):
    """Foretold, done, done again; return what was said of the card."""
    before = machine.files()
    foretold = wol(check=True)
    assert foretold["changed"] and machine.files() == before and machine.armed == "d"
    done = wol()
    assert done["changed"] and done["diff"] == foretold["diff"] and done["cards"] == foretold["cards"]
    assert machine.armed == "g"
    again = wol()
    assert not again["changed"] and again["diff"] == {"before": "", "after": ""}
    return done["cards"][0]


def brought_back(machine, wol, before):
    """Foretold, done, done again."""
    there = machine.files()
    assert wol("absent", check=True)["changed"] and machine.files() == there and machine.armed == "g"
    done = wol("absent")
    assert done["changed"] and done["problems"] == []
    assert machine.files() == before and machine.armed == "d"
    assert not wol("absent")["changed"]


def test_a_card_that_nobody_sets_up_is_armed_now(machine, wol):
    before = machine.files()
    said = story(machine, wol)
    assert said == {"name": "eth0", "supported": True, "before": "d", "keeper": None, "by": ""}
    brought_back(machine, wol, before)


def test_the_default_link_file_stays_and_the_card_gets_its_own_with_the_same_settings(machine, wol):
    machine.udev()
    machine.write("usr/lib/systemd/network/99-default.link", DEFAULT_LINK)
    before = machine.files()
    said = story(machine, wol)
    assert said["keeper"] == "systemd"
    assert machine.read("etc/systemd/network/10-powernap-eth0.link") == OWN_LINK
    machine.udev("/etc/systemd/network/10-powernap-eth0.link")  # after a boot
    assert not wol()["changed"]
    brought_back(machine, wol, before)
    assert not (machine.root / "etc/systemd/network").exists(), "that directory was not there either"


def test_a_card_without_an_address_of_its_own_is_known_by_the_one_that_it_was_given(machine, wol):
    machine.udev()
    machine.write("usr/lib/systemd/network/99-default.link", DEFAULT_LINK)
    machine.said_by_ip = {"ifname": "eth0", "address": MAC}
    for assigned, line in (("0", "PermanentMACAddress"), ("3", "MACAddress")):
        machine.write("sys/class/net/eth0/addr_assign_type", f"{assigned}\n")
        wol()
        assert f"[Match]\n{line}={MAC}\n" in machine.read("etc/systemd/network/10-powernap-eth0.link")


def test_drop_ins_of_the_default_are_among_its_settings(machine, wol):
    machine.udev()
    machine.write("usr/lib/systemd/network/99-default.link", DEFAULT_LINK)
    machine.write("etc/systemd/network/99-default.link.d/site.conf", "[Link]\nMTUBytes=9000\nWakeOnLan=phy\n")
    wol()
    own = machine.read("etc/systemd/network/10-powernap-eth0.link")
    assert own == OWN_LINK.replace("WakeOnLan=magic", "MTUBytes=9000\nWakeOnLan=phy magic")


def test_of_several_settings_of_link_files_each_counts_unless_an_empty_one_ends_them(machine, wol):
    machine.udev()
    machine.write("usr/lib/systemd/network/99-default.link", DEFAULT_LINK + "WakeOnLan=arp\nWakeOnLan=\n")
    machine.write("etc/systemd/network/99-default.link.d/a.conf", "[Link]\nWakeOnLan=phy\n")
    machine.write("etc/systemd/network/99-default.link.d/b.conf", "[Link]\nWakeOnLan=unicast\n")
    wol()
    own = machine.read("etc/systemd/network/10-powernap-eth0.link")
    assert own == OWN_LINK.replace("WakeOnLan=magic", "WakeOnLan=phy unicast magic")


def test_a_link_file_for_the_card_gets_a_drop_in(machine, wol):
    machine.udev("/run/systemd/network/10-netplan-eth0.link")
    link = machine.write(
        "run/systemd/network/10-netplan-eth0.link", "[Match]\nPermanentMACAddress=x\n[Link]\nWakeOnLan=off\n"
    )
    before = machine.files()
    said = story(machine, wol)
    assert said["by"].endswith("etc/systemd/network/10-netplan-eth0.link.d/60-powernap.conf")
    assert machine.read("etc/systemd/network/10-netplan-eth0.link.d/60-powernap.conf").endswith(
        "[Link]\nWakeOnLan=magic\n"
    )
    assert link.read_text().endswith("WakeOnLan=off\n")
    brought_back(machine, wol, before)


def test_a_link_file_that_arms_the_card_is_left_as_it_is(machine, wol):
    machine.udev("/etc/systemd/network/10-lan.link")
    machine.write("etc/systemd/network/10-lan.link", "[Match]\nOriginalName=eth*\n[Link]\nWakeOnLan=phy magic\n")
    before = machine.files()
    assert story(machine, wol)["by"] == "/etc/systemd/network/10-lan.link"
    assert machine.files() == before


def test_udev_without_link_files_gets_a_rule(machine, wol):
    machine.udev(link="")
    machine.write("sbin/ethtool", "")
    before = machine.files()
    assert story(machine, wol)["keeper"] == "udev"
    rule = machine.read("etc/udev/rules.d/81-powernap-eth0.rules").splitlines()[1]
    assert rule == (f'ACTION=="add", SUBSYSTEM=="net", ATTR{{address}}=="{MAC}", RUN+="/sbin/ethtool -s $name wol g"')
    brought_back(machine, wol, before)


def test_networkmanager_gets_a_default_where_the_connection_says_nothing(machine, wol):
    machine.network_manager("100 (connected)")
    machine.udev()
    before = machine.files()
    assert story(machine, wol)["keeper"] == "NetworkManager"
    assert machine.read("etc/NetworkManager/conf.d/60-powernap-eth0.conf") == (
        "# Written by Ansible\n[connection-powernap-eth0]\nmatch-device=interface-name:eth0\nethernet.wake-on-lan=64\n"
    )
    assert machine.calls() == ["general reload conf"]
    brought_back(machine, wol, before)
    assert machine.calls() == ["general reload conf"] * 2


def test_a_connection_that_says_otherwise_is_modified_and_put_back(machine, wol):
    keyfile = machine.write(
        "etc/NetworkManager/system-connections/lan.nmconnection", "[ethernet]\nwake-on-lan=0\n# mine\n"
    )
    keyfile.chmod(0o600)
    machine.network_manager("100 (connected)", "none", str(keyfile))
    before = machine.files()
    said = story(machine, wol)
    assert said["by"] == f"connection {UUID}"
    assert machine.calls() == [f"connection modify {UUID} 802-3-ethernet.wake-on-lan magic"]
    assert machine.files() != before
    brought_back(machine, wol, before)
    assert keyfile.stat().st_mode & 0o777 == 0o600
    assert machine.calls()[1:] == [f"connection load {keyfile}"]


@pytest.mark.parametrize(
    "file",
    [
        "/run/NetworkManager/system-connections/netplan-eth0.nmconnection",
        "/usr/lib/NetworkManager/lan.nmconnection",
        "",
    ],
)
def test_what_is_made_anew_at_each_boot_is_not_modified_but_armed_after_each_activation(machine, wol, file):
    machine.network_manager("100 (connected)", "none", file)
    machine.write("usr/sbin/ethtool", "")
    before = machine.files()
    said = story(machine, wol)
    assert said["by"].endswith("etc/NetworkManager/dispatcher.d/60-powernap-eth0")
    script = machine.root / "etc/NetworkManager/dispatcher.d/60-powernap-eth0"
    assert script.stat().st_mode & 0o777 == 0o755
    assert script.read_text().splitlines()[-1] == (
        '[ "$1" != eth0 ] || [ "$2" != up ] || exec /usr/sbin/ethtool -s eth0 wol g'
    )
    brought_back(machine, wol, before)
    assert machine.calls() == []


def test_after_an_activation_what_else_the_connection_says_wakes_too(machine, wol):
    machine.network_manager("100 (connected)", "phy,unicast")
    wol()
    assert machine.read("etc/NetworkManager/dispatcher.d/60-powernap-eth0").endswith(" wol pug\n")


def test_a_connection_keeps_what_wakes_it_otherwise(machine, wol):
    keyfile = machine.write("etc/NetworkManager/system-connections/lan.nmconnection", "[ethernet]\nwake-on-lan=6\n")
    machine.network_manager("100 (connected)", "phy,unicast", str(keyfile))
    wol()
    assert machine.read("nm/wol") == "phy,unicast,magic\n"


@pytest.mark.parametrize("said", ["magic", "phy, magic", "0x40 (magic)", "64"])
def test_a_connection_that_arms_the_card_is_left_as_it_is(machine, wol, said):
    machine.network_manager("100 (connected)", said)
    assert wol()["cards"][0]["by"] == f"connection {UUID}"
    assert machine.calls() == []


def test_a_card_that_networkmanager_does_not_manage_is_systemds(machine, wol):
    machine.network_manager("10 (unmanaged)")
    machine.udev()
    machine.write("usr/lib/systemd/network/99-default.link", DEFAULT_LINK)
    assert wol()["cards"][0]["keeper"] == "systemd"
    assert machine.calls() == []


def test_what_else_wakes_the_machine_goes_on_to(machine, wol):
    machine.armed = "pu"
    wol()
    assert machine.armed == "pug"
    wol("absent")
    assert machine.armed == "pu"


def test_the_device_s_own_switch_is_turned_on_and_back(machine, wol):
    switch = machine.write("sys/class/net/eth0/device/power/wakeup", "disabled\n")
    assert wol()["changed"]
    assert switch.read_text() == "enabled"
    wol("absent")
    assert switch.read_text() == "disabled"


def test_a_driver_that_turns_the_switch_itself_makes_no_difference_to_what_is_told(machine, wol):
    machine.switch = machine.write("sys/class/net/eth0/device/power/wakeup", "disabled\n")
    assert wol(check=True)["diff"] == wol()["diff"]
    assert wol("absent", check=True)["diff"] == wol("absent")["diff"]
    assert machine.switch.read_text() == "disabled\n"


def test_a_card_that_no_magic_packet_wakes_is_left_alone_and_named(machine, wol):
    machine.supported = "p"
    machine.udev()
    result = wol()
    assert not result["changed"] and not result["cards"][0]["supported"]
    assert machine.files() == {}


def test_not_persistent_arms_it_now_and_no_more(machine, wol):
    machine.udev()
    assert wol(persistent=False)["cards"][0]["keeper"] is None
    assert machine.armed == "g" and machine.files() == {}


def test_a_card_that_is_not_there_is_refused_with_those_that_are(machine, wol):
    assert wol(interfaces=["eth9"])["msg"] == "interfaces: there is no eth9 here: name one of eth0"


def test_the_words_of_nmcli_are_understood():
    assert not _wol.says_magic("phy,unicast") and not _wol.says_magic("none") and not _wol.says_magic("0x4")
    assert _wol.with_magic("ignore") == _wol.with_magic("none") == "magic"
