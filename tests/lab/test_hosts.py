# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host shows of itself, and what it cannot do to the machine below."""

import json
import os
import pathlib
import subprocess

import pytest
from ansible_collections.powernap.lab.plugins.module_utils import inventory
from ansible_collections.powernap.lab.plugins.module_utils.errors import LabError


@pytest.mark.parametrize(
    ("host", "options", "says", "status"),
    [
        ("web1", "", "none", 1),
        ("web1", "--vm", "none", 1),
        ("web1", "-q", "", 1),
        ("guest1", "", "kvm", 0),
        ("guest1", "--vm", "kvm", 0),
        ("guest1", "--container", "none", 1),
        ("guest1", "-q -v", "", 0),
    ],
)
def test_physical_and_virtual_hosts_look_so(lab, host, options, says, status):
    done = lab.run(host, "systemd-detect-virt " + options, check=False)
    assert (done.stdout.strip(), done.returncode) == (says, status)


def test_the_fakes_refuse_what_they_do_not_know(lab):
    for command in (
        "systemd-detect-virt --cvm",
        "ethtool -K eth0 gro off",
        "ethtool -s eth0 wol g sopass 1",
        "ethtool",
    ):
        done = lab.run("web1", command, check=False)
        assert done.returncode == 64, command
        assert "fake" in done.stderr


def test_ethtool_keeps_the_setting_of_each_host(lab):
    lab.run("web1", "ethtool -s eth0 wol ug")
    assert "Supports Wake-on: pumbg\n\tWake-on: ug" in lab.run("web1", "ethtool eth0").stdout
    assert "Wake-on: d" in lab.run("desk", "ethtool eth0").stdout
    assert lab.run("web1", "ethtool -s eth9 wol g", check=False).returncode != 0
    assert "Wake-on" not in lab.run("web1", "ethtool lo").stdout


def test_the_load_average_is_the_hosts_own(lab):
    lab.set("web1", "loadavg", 3.5)
    assert lab.run("web1", "cut -d' ' -f1 /proc/loadavg").stdout == "3.50\n"
    assert lab.run("file1", "cut -d' ' -f1 /proc/loadavg").stdout == "0.00\n"


def test_only_the_laptop_has_a_battery(lab):
    if not pathlib.Path("/sys/class/power_supply").is_dir():
        pytest.skip("this kernel has no /sys/class/power_supply to cover")
    assert lab.run("laptop1", "cat /sys/class/power_supply/BAT0/status").stdout == "Full\n"
    lab.set("laptop1", "ac", "off")
    assert lab.run("laptop1", "cat /sys/class/power_supply/AC/online").stdout == "0\n"
    lab.set("laptop1", "ac", "on")
    assert lab.run("web1", "ls /sys/class/power_supply").stdout == ""
    with pytest.raises(LabError, match="cannot set ac"):
        lab.set("web1", "ac", "on")


def test_services_of_the_topology_answer_over_both_protocols(lab):
    assert "Served by web1" in lab.run("desk", "curl -sS -m 5 http://198.18.0.3/").stdout
    assert "Served by web1" in lab.run("desk", "curl -sS -m 5 'http://[fd4c::3]/'").stdout
    assert (
        "Served by file1" in lab.run("desk", "rsync -q rsync://file1/pub/hello.txt /tmp/ && cat /tmp/hello.txt").stdout
    )
    assert lab.run("file1", "systemctl is-active nginx", check=False).stdout == "inactive\n"


def test_ssh_and_the_inventory_reach_every_host(lab):
    data = inventory.data(lab)["all"]
    clients = data["children"]["clients"]["hosts"]
    assert list(clients) == ["web1", "file1", "laptop1", "guest1"]
    assert list(data["children"]["wake_servers"]["hosts"]) == ["wake1"]
    assert json.loads(inventory.render(lab).removeprefix("---\n"))["all"] == data
    for name, host in {**clients, "desk": {"ansible_host": "198.18.0.10"}}.items():
        command = ["ssh", *inventory.ssh_options(lab), "root@" + host["ansible_host"], "hostname"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
        assert done.stdout == name + "\n", done.stderr


OPEN_FOR_WRITING = """
import os, sys
try:
    os.close(os.open(sys.argv[1], os.O_WRONLY))  # opened, never written
    print("OPENED")
except OSError as error:
    print(error.strerror)
"""


@pytest.mark.parametrize(
    "way",
    [
        "mount -t sysfs s /mnt; F=/mnt/power/state",
        "umount /sys/power; F=/sys/power/state",
        "umount /sys/power; mount -o remount,rw /sys; F=/sys/power/state",
        "mount -t sysfs s /mnt; mount -o remount,rw /mnt; chmod 666 /mnt/power/state; F=/mnt/power/state",
        "mount -t sysfs s /mnt; umount /sys/power; mount --bind /mnt/power /sys/power; F=/sys/power/state",
        "F=/proc/sysrq-trigger",
        "F=/proc/sys/kernel/sysrq",
        "F=/proc/sys/vm/drop_caches",
    ],
)
def test_no_way_leads_from_a_host_to_the_switches_of_the_machine(lab, way):
    """In a mount namespace of its own, so that the host keeps its fake. What is not there cannot be opened either."""
    tried = f"{way}; ls -l $F; exec python3 -c '{OPEN_FOR_WRITING}' $F"
    done = lab.run("desk", ["unshare", "-m", "sh", "-c", tried], check=False)
    assert done.stdout.splitlines()[-1] in ("Permission denied", "Read-only file system", "No such file or directory")
    if pathlib.Path("/sys/power/state").exists() and "power" in way:
        assert "nobody" in done.stdout, "this was not the machine's file: " + done.stdout + done.stderr


def test_the_machines_own_root_could_write_where_a_host_cannot():
    """Else the test above would prove nothing."""
    if os.geteuid() != 0 or not pathlib.Path("/sys/power/state").exists():
        pytest.skip("needs root and a kernel with /sys/power/state")
    assert os.access("/sys/power/state", os.W_OK)


def test_a_host_cannot_set_the_clock_or_make_devices(lab):
    assert "not permitted" in lab.run("desk", "date -s @$(date +%s)", check=False).stderr
    assert "not permitted" in lab.run("desk", "mknod /tmp/disk b 8 0", check=False).stderr


def test_a_host_has_no_way_out(lab):
    assert "default" not in lab.run("desk", "ip -4 route; ip -6 route").stdout
    assert "unreachable" in lab.run("desk", "ping -c1 -W1 192.0.2.1", check=False).stderr.lower()
