# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What powernap_facts reads, from made-up file trees and fake programs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.powernap.powernap.plugins.module_utils.shared.machine import Machine

ETHTOOL = """Settings for eth0:
\tSpeed: 1000Mb/s
\tSupports Wake-on: pumbg
\tWake-on: {setting}
\tLink detected: yes
"""
LINKS = [
    {"ifname": "lo", "link_type": "loopback", "address": "00:00:00:00:00:00", "flags": ["LOOPBACK", "UP"]},
    {
        "ifname": "eth0",
        "link_type": "ether",
        "address": "02:4c:00:00:00:03",
        "permaddr": "02:4c:00:00:00:05",
        "flags": ["BROADCAST", "MULTICAST", "UP", "LOWER_UP"],
        "addr_info": [
            {"family": "inet", "local": "198.18.0.3", "prefixlen": 16, "scope": "global"},
            {"family": "inet6", "local": "fe80::4c:ff:fe00:3", "prefixlen": 64, "scope": "link"},
            {"family": "inet6", "local": "fd4c::1234", "prefixlen": 64, "scope": "global", "temporary": True},
        ],
    },
    {
        "ifname": "br0",
        "link_type": "ether",
        "address": "02:4c:00:00:00:09",
        "flags": ["BROADCAST"],
        "linkinfo": {"info_kind": "bridge"},
        "addr_info": [],
    },
]
# Local address 0 is any address; 0100007F is 127.0.0.1 in the byte order of x86. State 0A is LISTEN, 01 ESTABLISHED.
TCP = """  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1
   1: 0100007F:0CEA 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 2
   2: 030012C6:0016 010012C6:D431 01 00000000:00000000 00:00000000 00000000     0        0 3
"""
TCP6 = """  sl  local_address                         remote_address                        st tx_queue rx_queue
   0: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A 00000000:00000000
   1: 00000000000000000000000001000000:0277 00000000000000000000000000000000:0000 0A 00000000:00000000
"""


class FakePrograms:
    """Answers commands from a table, by program; what is not in it is not installed."""

    def __init__(self, **answers):
        self.answers = answers

    def __call__(self, command):
        program = command[0].replace("-", "_")
        if program not in self.answers:
            return 127, "", f"{command[0]} is not installed"
        return 0, self.answers[program], ""


@pytest.fixture
def tree(tmp_path):
    """Return a function that writes files of a made-up machine, and returns its root."""

    def write(files):
        for path, text in files.items():
            target = tmp_path / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
        return str(tmp_path)

    return write


def interfaces(setting="g", root="/"):
    programs = FakePrograms(ip=json.dumps(LINKS), ethtool=ETHTOOL.format(setting=setting))
    return Machine(programs, root).facts(["interfaces"])["interfaces"]


def test_names_nics_with_their_addresses_and_wake_on_lan(tree):
    root = tree({"sys/class/net/eth0/device/power/wakeup": "enabled\n"})
    Path(root, "sys/class/net/eth0/device/driver").symlink_to("../../../bus/pci/drivers/e1000e")
    eth0, br0 = interfaces(root=root)
    assert eth0 == {
        "name": "eth0",
        "kind": "ethernet",
        "driver": "e1000e",
        "up": True,
        "link": True,
        "mac": "02:4c:00:00:00:03",
        "permanent_mac": "02:4c:00:00:00:05",
        "addresses": ["198.18.0.3/16"],
        "wake_on_lan": {"supported": True, "armed": True, "device": True},
    }
    assert (br0["kind"], br0["up"], br0["link"], br0["driver"]) == ("bridge", False, False, None)
    assert br0["permanent_mac"] == br0["mac"]


def test_tells_supported_from_armed(tree):
    assert interfaces("d", tree({}))[0]["wake_on_lan"] == {"supported": True, "armed": False, "device": None}
    root = tree({"sys/class/net/eth0/device/power/wakeup": "disabled\n"})
    assert interfaces("g", root)[0]["wake_on_lan"] == {"supported": True, "armed": True, "device": False}


def test_says_what_it_could_not_find_out(tree):
    facts = Machine(FakePrograms(ip=json.dumps(LINKS)), tree({})).facts()
    assert facts["interfaces"][0]["wake_on_lan"] == {"supported": None, "armed": None, "device": None}
    assert "Wake-on-LAN of eth0: ethtool is not installed" in facts["unreadable"]
    assert any(line.startswith("sleep states: /sys/power/state") for line in facts["unreadable"])
    assert any(line.startswith("tcp ports: /proc/net/tcp") for line in facts["unreadable"])


def test_without_ip_the_rest_is_still_there(tree):
    facts = Machine(FakePrograms(), tree({"sys/power/state": "freeze mem disk\n"})).facts()
    assert facts["interfaces"] == []
    assert facts["sleep_states"] == ["freeze", "mem", "disk"]
    assert "interfaces: ip is not installed" in facts["unreadable"]


def test_output_of_an_old_ip_is_no_failure():
    machine = Machine(FakePrograms(ip="1: lo: <LOOPBACK,UP>"))
    assert machine.facts(["interfaces"])["interfaces"] == []
    assert "older than iproute2" in machine.unreadable[0]


def test_ports_that_others_reach_are_those_that_listen_beyond_loopback(tree):
    root = tree({"proc/net/tcp": TCP, "proc/net/tcp6": TCP6, "proc/net/udp": TCP.replace(" 0A ", " 07 ")})
    facts = Machine(FakePrograms(), root).facts()
    assert facts["tcp_ports"] == [22, 80]
    assert facts["udp_ports"] == [22]


@pytest.mark.parametrize(
    ("files", "battery"),
    [
        ({"BAT0/type": "Battery\n"}, True),
        ({"BAT0/type": "Battery\n", "BAT0/scope": "System\n"}, True),
        ({"mouse/type": "Battery\n", "mouse/scope": "Device\n"}, False),
        ({"AC/type": "Mains\n"}, False),
        ({}, False),
    ],
)
def test_a_battery_is_one_that_feeds_the_machine(tree, files, battery):
    root = tree({f"sys/class/power_supply/{path}": text for path, text in files.items()})
    assert Machine(FakePrograms(), root).facts(["hardware"])["battery"] is battery


@pytest.mark.parametrize(
    ("files", "batteries", "on_battery"),
    [
        (
            {"BAT0/type": "Battery", "BAT0/status": "Discharging\n", "BAT0/capacity": "41\n", "AC/type": "Mains"},
            [{"name": "BAT0", "status": "Discharging", "percent": 41}],
            True,
        ),
        (
            {"BAT0/type": "Battery", "AC/type": "Mains", "AC/online": "1\n"},
            [{"name": "BAT0", "status": None, "percent": None}],
            False,
        ),
        ({"BAT0/type": "Battery", "BAT0/present": "0\n"}, [], False),
        ({"AC/type": "Mains", "AC/online": "1\n"}, [], None),
    ],
)
def test_batteries_say_how_full_they_are(tree, files, batteries, on_battery):
    root = tree({f"sys/class/power_supply/{path}": text for path, text in files.items()})
    facts = Machine(FakePrograms(), root).facts(["hardware"])
    assert (facts["batteries"], facts["on_battery"]) == (batteries, on_battery)


@pytest.mark.parametrize(
    ("files", "mem_sleep", "hibernation"),
    [
        (
            {"state": "freeze mem disk\n", "mem_sleep": "s2idle [deep]\n", "disk": "[platform] shutdown\n"},
            {"modes": ["s2idle", "deep"], "chosen": "deep"},
            {"modes": ["platform", "shutdown"], "chosen": "platform"},
        ),
        ({"state": "freeze\n", "disk": "[disabled]\n"}, {"modes": [], "chosen": None}, {"modes": [], "chosen": None}),
    ],
)
def test_how_the_kernel_sleeps(tree, files, mem_sleep, hibernation):
    root = tree({f"sys/power/{path}": text for path, text in files.items()})
    facts = Machine(FakePrograms(), root).facts(["sleep"])
    assert (facts["mem_sleep"], facts["hibernation"]) == (mem_sleep, hibernation)


def test_evidence_names_every_source_that_says_something(tree):
    root = tree({"sys/class/dmi/id/sys_vendor": "QEMU\n", "proc/cpuinfo": "flags\t: fpu hypervisor\n"})
    assert Machine(FakePrograms(), root).facts(["virtualization"])["virtualization"] == {
        "kind": "vm",
        "technology": "qemu",
        "source": "/sys/class/dmi/id/sys_vendor",
        "reason": "a virtual guest: qemu (/sys/class/dmi/id/sys_vendor)",
        "evidence": ["/sys/class/dmi/id/sys_vendor: qemu", "the hypervisor flag in /proc/cpuinfo: unknown"],
    }
    said = Machine(FakePrograms(systemd_detect_virt="none\n"), tree({})).facts(["virtualization"])["virtualization"]
    assert said["kind"] == "none"
    assert said["evidence"][:2] == ["systemd-detect-virt --container: none", "systemd-detect-virt --vm: none"]


def test_only_what_was_asked_for_is_returned_and_complained_of(tree):
    facts = Machine(FakePrograms(), tree({})).facts(["hardware", "timers"])
    assert sorted(facts) == [
        "audio",
        "batteries",
        "battery",
        "cpus",
        "disks",
        "displays",
        "lid",
        "on_battery",
        "timers",
        "unreadable",
    ]
    assert facts["unreadable"] == []


def test_virtualization_is_what_systemd_says(tree):
    facts = Machine(FakePrograms(systemd_detect_virt="none\n"), tree({})).facts()
    assert facts["virtualization"]["kind"] == "none"
    assert facts["virtualization"]["source"] == "systemd-detect-virt"


@pytest.mark.parametrize(
    ("files", "fact", "value"),
    [
        ({"proc/acpi/button/lid/LID0/state": "state:      open\n"}, "lid", True),
        ({"sys/class/input/event1/device/capabilities/sw": "1\n"}, "lid", True),
        ({"sys/class/input/event1/device/capabilities/sw": "20\n"}, "lid", False),
        (
            {
                "sys/class/drm/card0-HDMI-A-1/status": "disconnected\n",
                "sys/class/drm/card0-eDP-1/status": "connected\n",
            },
            "displays",
            ["HDMI-A-1", "eDP-1"],
        ),
        ({"sys/class/drm/card0/dev": "226:0\n", "sys/class/drm/version": "drm\n"}, "displays", []),
        ({"proc/asound/pcm": "00-00: ALC : ALC : playback 1 : capture 1\n"}, "audio", True),
        ({"proc/asound/pcm": "01-00: Mic : Mic : capture 1\n"}, "audio", False),
        (
            {
                "sys/block/sda/queue/rotational": "1\n",
                "sys/block/sda/device/model": "x",
                "sys/block/nvme0n1/queue/rotational": "0\n",
                "sys/block/nvme0n1/device/model": "x",
                "sys/block/dm-0/queue/rotational": "1\n",
                "sys/block/sr0/device/model": "x",
            },
            "disks",
            [{"name": "nvme0n1", "rotational": False}, {"name": "sda", "rotational": True}],
        ),
        ({"usr/sbin/virtqemud": "", "usr/bin/qm.txt": ""}, "hypervisors", ["libvirt"]),
        ({"usr/bin/podman": "", "usr/bin/dockerd": ""}, "containers", ["docker", "podman"]),
        ({"usr/local/sbin/slurmd": ""}, "schedulers", ["slurm"]),
        ({"etc/exports": "# none\n\n"}, "shares", []),
        ({"etc/exports.d/a.exports": "/srv *(ro)\n"}, "shares", ["nfs"]),
        ({"usr/sbin/smbd": "", "etc/samba/smb.conf": "[global]\n"}, "shares", ["smb"]),
        ({"etc/samba/smb.conf": "[global]\n"}, "shares", []),
        ({"etc/systemd/system/display-manager.service": ""}, "desktop", True),
    ],
)
def test_what_the_machine_is_made_of_and_for(tree, files, fact, value):
    assert Machine(FakePrograms(), tree(files)).facts()[fact] == value


def test_a_bare_machine_has_nothing_of_it(tree):
    facts = Machine(FakePrograms(), tree({})).facts()
    names = ("displays", "disks", "hypervisors", "containers", "schedulers", "shares")
    assert [facts[name] for name in names] == [[]] * len(names)
    assert (facts["lid"], facts["audio"], facts["desktop"]) == (False, False, False)
