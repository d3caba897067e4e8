# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's hosts sleep and wake as machines do."""

import pathlib
import time

import pytest
from ansible_collections.powernap.lab.plugins.module_utils.errors import LabError


def boot_id(lab, name):
    return lab.run(name, "cat /proc/sys/kernel/random/boot_id").stdout


def test_every_host_boots_to_a_running_system(lab):
    assert lab.booted == {name: ["running", name] for name in lab.hosts()}


def test_a_suspended_host_answers_nothing_and_its_own_magic_packet_wakes_it(lab):
    before = boot_id(lab, "web1")
    assert lab.arp_answers("web1") == {lab.host("web1")["mac"]}
    lab.sleep("web1")
    assert lab.arp_answers("web1") == set()
    assert lab.run("desk", "curl -sS -m 1 http://198.18.0.3/", check=False).returncode != 0
    lab.magic("web1")
    lab.wait_state("web1", "awake", 60)
    assert lab.arp_answers("web1") == {lab.host("web1")["mac"]}
    assert "Served by web1" in lab.run("desk", "curl -sS -m 5 http://web1/").stdout
    assert boot_id(lab, "web1") == before


def test_suspend_goes_through_logind_and_systemd_sleep(lab):
    lab.run(
        "laptop1", "ethtool -s eth0 wol g; journalctl --rotate --vacuum-time=1s -q; mkdir -p /etc/systemd/system-sleep"
    )
    lab.run("laptop1", "printf '#!/bin/sh\\necho $* >>/run/hooks\\n' >/lib/systemd/system-sleep/note")
    lab.run("laptop1", "chmod 755 /lib/systemd/system-sleep/note; rm -f /run/hooks")
    call = ["org.freedesktop.login1", "/org/freedesktop/login1", "org.freedesktop.login1.Manager"]
    assert "yes" in lab.run("laptop1", ["busctl", "call", *call, "CanSuspend"]).stdout
    lab.order("laptop1", ["busctl", "call", *call, "Suspend", "b", "false"])
    lab.wait_state("laptop1", "asleep", 60)
    lab.magic("laptop1")
    lab.wait_state("laptop1", "awake", 60)
    lab.run("laptop1", "timeout 5 sh -c 'until grep -q post /run/hooks; do sleep 0.05; done'", timeout=10)
    assert lab.run("laptop1", "cat /run/hooks").stdout == "pre suspend\npost suspend\n"


def test_an_inhibitor_delays_the_suspend_as_on_any_machine(lab):
    lab.run("laptop1", "ethtool -s eth0 wol g")
    lab.run("laptop1", "systemd-run -q --unit=hold systemd-inhibit --what=sleep --mode=delay sleep 1.5")
    lab.run(
        "laptop1", "timeout 5 sh -c 'until systemd-inhibit --list | grep -q sleep.1.5; do sleep 0.05; done'", timeout=10
    )
    asked = time.time()
    lab.order("laptop1", "systemctl suspend")
    lab.wait_state("laptop1", "asleep", 60)
    assert lab.last("laptop1", "asleep")["time"] - asked > 0.7
    lab.magic("laptop1")


def test_nothing_runs_on_a_sleeping_host(lab):
    lab.run("file1", "systemd-run -q --unit=ticks sh -c 'while sleep 0.05; do date +%s.%N >>/run/ticks; done'")
    lab.run("file1", "timeout 5 sh -c 'until test -s /run/ticks; do sleep 0.05; done'", timeout=10)
    lab.sleep("file1")
    slept = lab.last("file1", "asleep")["time"]
    with pytest.raises(LabError, match="file1 is asleep"):
        lab.run("file1", "true")
    time.sleep(1)
    lab.set("file1", "resume_delay", 0)
    lab.magic("file1")
    lab.wait_state("file1", "awake", 60)
    woke = lab.last("file1", "resumed")["time"]
    time.sleep(0.3)
    ticks = [float(line) for line in lab.run("file1", "systemctl stop ticks; cat /run/ticks").stdout.split()]
    assert [tick for tick in ticks if slept + 0.01 < tick < woke - 0.01] == []
    assert min(ticks) < slept
    assert max(ticks) > woke


def test_a_host_wakes_ten_times_in_a_row(lab):
    lab.set("laptop1", "resume_delay", 0)
    since = lab.mark()
    for _ in range(10):
        lab.sleep("laptop1")
        lab.magic("laptop1")
        lab.wait_state("laptop1", "awake", 60)
    events = [e["event"] for e in lab.events(since) if e["host"] == "laptop1"]
    assert events == ["suspending", "asleep", "magic packet", "resumed"] * 10


def test_a_magic_packet_for_another_host_wakes_only_that_one(lab):
    lab.sleep("web1")
    lab.sleep("laptop1")
    lab.magic("laptop1")
    lab.wait_state("laptop1", "awake", 60)
    assert lab.state("web1") == "asleep"


def test_the_nic_obeys_the_wake_on_setting(lab):
    since = lab.mark()
    lab.sleep("laptop1", wol="d")
    lab.magic("laptop1")
    assert lab.last("laptop1", "magic packet ignored", since)["detail"] == "Wake-on is d"
    assert lab.state("laptop1") == "asleep"


def test_lost_magic_packets_and_a_slow_resume(lab):
    since = lab.mark()
    lab.set("laptop1", "deaf_to_magic", 2)
    lab.set("laptop1", "resume_delay", 0.8)
    lab.sleep("laptop1")
    for _ in range(2):
        lab.magic("laptop1")
    assert lab.state("laptop1") == "asleep"
    assert lab.last("laptop1", "magic packet", since) is None
    lab.magic("laptop1")
    lab.wait_state("laptop1", "awake", 60)
    took = lab.last("laptop1", "resumed")["time"] - lab.last("laptop1", "magic packet")["time"]
    assert 0.8 <= took < 5


def test_a_failing_suspend_leaves_the_host_awake_and_its_service_failed(lab):
    since = lab.mark()
    lab.set("laptop1", "suspend", "fail")
    lab.order("laptop1", "systemctl suspend")
    lab.run(
        "laptop1", "timeout 5 sh -c 'until systemctl is-failed -q systemd-suspend; do sleep 0.05; done'", timeout=10
    )
    assert lab.state("laptop1") == "awake"
    assert lab.last("laptop1", "asleep", since) is None
    lab.run("laptop1", "systemctl reset-failed")
    lab.set("laptop1", "suspend", "ok")
    lab.sleep("laptop1")


def test_poweroff_and_wake_is_a_new_boot(lab):
    before = boot_id(lab, "file1")
    lab.set("file1", "resume_delay", 0)
    lab.order("file1", "touch /root/kept; ethtool -s eth0 wol g; systemctl poweroff", check=False)
    lab.wait_state("file1", "off", 60)
    assert lab.arp_answers("file1") == set()
    lab.magic("file1")
    lab.wait_state("file1", "awake", 60)
    assert boot_id(lab, "file1") != before
    lab.run("file1", "test -e /root/kept")


def test_reboot_comes_back_by_itself(lab):
    machine = pathlib.Path("/proc/sys/kernel/random/boot_id")
    ours = machine.read_text()
    before = boot_id(lab, "laptop1")
    since = lab.mark()
    lab.run("laptop1", "systemctl reboot", check=False)
    lab.wait_state("laptop1", "booting", 60)
    lab.wait_state("laptop1", "awake", 60)
    assert lab.last("laptop1", "reboot", since)
    assert boot_id(lab, "laptop1") != before
    assert machine.read_text() == ours


@pytest.mark.parametrize("asleep", [False, True])
def test_a_power_cut_needs_a_hand_at_the_button(lab, asleep):
    if asleep:
        lab.sleep("laptop1")
    else:
        lab.run("laptop1", "ethtool -s eth0 wol g")
    lab.cut("laptop1")
    assert lab.arp_answers("laptop1") == set()
    lab.magic("laptop1")
    assert lab.last("laptop1", "magic packet ignored")["detail"] == "no power"
    assert lab.state("laptop1") == "off"
    lab.button("laptop1")
    lab.wait_state("laptop1", "awake", 60)


def test_events_are_numbered_and_in_order(lab):
    events = lab.events()
    assert [event["id"] for event in events] == sorted({event["id"] for event in events})
    assert [event["time"] for event in events] == sorted(event["time"] for event in events)
    assert lab.events(since=events[-1]["id"]) == []
