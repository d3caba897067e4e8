# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel's files of sleeping, as trees: this machine must not sleep, and has no clock that wakes it."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from powernap.machine import sleepdirect, timers, wakecause, wakeupcount
from powernap.machine.rtc import Alarm, NoClock
from powernap.machine.sleepdirect import NotSlept
from powernap.machine.wakeupcount import WakeEvent
from powernap.shared import atjobs


def write(root, **files):
    for path, text in files.items():
        file = root / path.replace("__", "/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def power(root, **files):
    write(root, **{f"sys__power__{name}": text for name, text in files.items()})


def descriptors():
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def held(root, name):
    return (root / "sys/power" / name).read_text()


# --- wakeup_count


def test_the_count_is_given_back_as_it_was_read(tmp_path):
    power(tmp_path, wakeup_count="17\n")
    assert wakeupcount.read(tmp_path) == "17"
    wakeupcount.write("17", tmp_path)
    assert held(tmp_path, "wakeup_count") == "17"


def test_a_kernel_without_the_count_has_none(tmp_path):
    assert wakeupcount.read(tmp_path) == ""


def test_a_count_that_cannot_be_written_calls_the_sleep_off(tmp_path):
    (tmp_path / "sys/power/wakeup_count").mkdir(parents=True)
    with pytest.raises(WakeEvent, match="cannot be written"):
        wakeupcount.write("17", tmp_path)


@pytest.mark.parametrize(("number", "says"), [(22, "a wake-up event came"), (16, "autosleep is on")])
def test_the_kernels_refusals_are_told_apart(tmp_path, monkeypatch, number, says):
    def refuse(_file, _text):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("pathlib.Path.write_text", refuse)
    with pytest.raises(WakeEvent, match=says):
        wakeupcount.write("17", tmp_path)


def test_disarming_writes_a_number_that_is_wrong(tmp_path):
    power(tmp_path, wakeup_count="17")
    wakeupcount.forget("17", tmp_path)
    assert held(tmp_path, "wakeup_count") == "16"


# --- sleeping directly


@pytest.mark.parametrize(
    ("action", "offers", "written"),
    [("suspend", "freeze mem disk", "mem"), ("suspend", "freeze", "freeze"), ("hibernate", "freeze mem disk", "disk")],
)
def test_the_state_is_written(tmp_path, action, offers, written):
    power(tmp_path, state=offers)
    sleepdirect.sleep(action, root=tmp_path)
    assert held(tmp_path, "state").startswith(written)


def test_a_state_that_is_not_offered_is_refused_with_what_is(tmp_path):
    power(tmp_path, state="freeze mem")
    with pytest.raises(NotSlept, match=r"no sleep state 'disk' .*offers freeze mem.*choose another action"):
        sleepdirect.sleep("hibernate", root=tmp_path)
    assert held(tmp_path, "state") == "freeze mem"


def test_nothing_is_made_where_the_kernel_has_no_such_file(tmp_path):
    with pytest.raises(NotSlept, match="offers none"):
        sleepdirect.sleep("suspend", root=tmp_path)
    assert not (tmp_path / "sys").exists()


def test_a_hybrid_sleep_puts_the_way_of_hibernating_back(tmp_path):
    power(tmp_path, state="mem disk", disk="[platform] shutdown suspend")
    sleepdirect.sleep("hybrid-sleep", root=tmp_path)
    assert held(tmp_path, "disk").startswith("platform")  # the last write; a real file shows the choice


def test_the_depth_of_a_suspend_is_chosen_first(tmp_path):
    power(tmp_path, state="mem", mem_sleep="s2idle [deep]")
    sleepdirect.sleep("suspend", "s2idle", tmp_path)
    assert held(tmp_path, "mem_sleep").startswith("s2idle")


def test_what_only_logind_can_do_is_said(tmp_path):
    with pytest.raises(NotSlept, match="suspend-then-hibernate needs systemd-logind"):
        sleepdirect.sleep("suspend-then-hibernate", root=tmp_path)


def test_the_kernel_names_the_device_that_refused(tmp_path):
    power(tmp_path, suspend_stats__last_failed_dev="0000:00:1f.3\n", suspend_stats__last_failed_step="suspend\n")
    power(tmp_path, suspend_stats__last_failed_errno="-16\n")
    assert sleepdirect.failure(tmp_path) == "0000:00:1f.3 refused to suspend: Device or resource busy"
    assert sleepdirect.failure(tmp_path / "other") == ""


def test_a_poweroff_that_fails_is_told(tmp_path, monkeypatch):
    (tmp_path / "poweroff").write_text("#!/bin/sh\necho 'no permission' >&2\nexit 1\n")
    (tmp_path / "poweroff").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(NotSlept, match="poweroff failed: no permission"):
        sleepdirect.sleep("poweroff")


# --- the clock


def clock(root, alarm="", now="1000"):
    write(root, sys__class__rtc__rtc0__wakealarm=alarm, sys__class__rtc__rtc0__since_epoch=now)
    return root / "sys/class/rtc/rtc0/wakealarm"


def test_without_a_clock_there_is_no_alarm(tmp_path):
    assert not Alarm(tmp_path).possible()
    with pytest.raises(NoClock, match="no clock that can wake it"):
        Alarm(tmp_path).set(60)


def test_the_alarm_for_a_machine_that_is_off_is_the_clocks_own(tmp_path):
    file = clock(tmp_path)
    alarm = Alarm(tmp_path)
    assert alarm.set(59.2, through_poweroff=True) == "/sys/class/rtc/rtc0/wakealarm"
    assert file.read_text() == "+60"
    alarm.clear()
    assert file.read_text() == "0"


def test_somebodys_earlier_alarm_stays_and_a_later_one_is_put_back(tmp_path):
    file = clock(tmp_path, alarm="1030\n")
    alarm = Alarm(tmp_path)
    assert "somebody else" in alarm.set(60, through_poweroff=True)
    assert file.read_text() == "1030\n"
    assert alarm.set(10, through_poweroff=True) == "/sys/class/rtc/rtc0/wakealarm"
    assert file.read_text() == "+10"
    alarm.clear()
    assert file.read_text() == "1030"


@pytest.mark.skipif(os.geteuid() != 0, reason="an alarm timer needs root")
def test_for_a_suspend_it_is_a_timer_of_the_kernel_and_leaves_the_file_alone(tmp_path):
    file = clock(tmp_path)
    before = descriptors()
    alarm = Alarm(tmp_path)
    assert alarm.set(3600) == "timerfd"
    assert file.read_text() == ""
    alarm.set(60)
    assert descriptors() == before + 1
    alarm.clear()
    assert descriptors() == before


# --- what woke it

INTERRUPTS = """           CPU0       CPU1
  1:          0          9   IO-APIC   1-edge      i8042
  9:          3          0   IO-APIC   9-fasteoi   acpi
NMI:          0          0   Non-maskable interrupts
"""


def source(root, number, name, count, **more):
    folder = f"sys__class__wakeup__wakeup{number}"
    write(root, **{f"{folder}__name": name, f"{folder}__event_count": str(count)})
    write(root, **{f"{folder}__{key}": str(value) for key, value in more.items()})


def test_the_source_that_counted_an_event_woke_it(tmp_path):
    source(tmp_path, 0, "PNP0C0C:00", 4)
    source(tmp_path, 1, "0000:00:1f.6", 7)
    (tmp_path / "sys/class/wakeup/wakeup1/device/net/eno1").mkdir(parents=True)
    before = wakecause.snapshot(tmp_path)
    assert wakecause.cause(before, tmp_path) == ""
    source(tmp_path, 1, "0000:00:1f.6", 8)
    assert wakecause.cause(before, tmp_path) == "network card eno1"
    source(tmp_path, 0, "PNP0C0C:00", 5)
    assert wakecause.cause(before, tmp_path) == "power button, network card eno1"


def test_the_interrupt_is_named(tmp_path):
    power(tmp_path, pm_wakeup_irq="9\n")
    write(tmp_path, proc__interrupts=INTERRUPTS)
    assert wakecause.cause({}, tmp_path) == "interrupt 9 (acpi)"
    assert wakecause.interrupt_name("77", INTERRUPTS) == "unknown"
    assert wakecause.interrupt_name("77", "") == "unknown"


def test_sources_that_are_active_are_named(tmp_path):
    source(tmp_path, 0, "usb1", 0, active_time_ms=12)
    source(tmp_path, 1, "usb2", 0, active_time_ms=0)
    assert wakecause.active(tmp_path) == "usb1"


# --- at, and systemd's timers


def test_at_jobs_tell_their_time_by_their_names(tmp_path):
    folder = tmp_path / "var/spool/cron/atjobs"
    folder.mkdir(parents=True)
    for name in ("a0000101c4a3e0", "=0000201c4a3e0", ".SEQ", "a0000401c4a3ezz", "spool"):
        (folder / name).write_text("")
    assert atjobs.read(tmp_path) == ([("at 1", 0x01C4A3E0 * 60.0)], [])


def test_a_timer_is_due_by_each_of_its_clocks_of_which_one_stands_still_during_a_sleep():
    def due(**said):
        return list(timers.elapses(said, 1000, 50))

    assert due(NextElapseUSecRealtime=2_000_000_000, NextElapseUSecMonotonic=0) == [(2000, False)]
    both = {"NextElapseUSecRealtime": 2_000_000_000, "NextElapseUSecMonotonic": 60_000_000}
    assert due(**both) == [(2000, False), (1010, True)]
    assert due(**both, WakeSystem=True) == [(2000, False), (1010, False)]
    assert due(NextElapseUSecRealtime=timers.NEVER, NextElapseUSecMonotonic=timers.NEVER) == []


def test_a_read_that_the_kernel_holds_up_can_be_told_from_one_that_ends(tmp_path):
    """A FIFO blocks as the kernel's file does while an event is in progress."""
    (tmp_path / "sys/power").mkdir(parents=True)
    os.mkfifo(tmp_path / "sys/power/wakeup_count")
    seen: list[str] = []
    thread = threading.Thread(target=lambda: seen.append(wakeupcount.read(tmp_path)), daemon=True)
    thread.start()
    thread.join(0.2)
    assert not seen
    (tmp_path / "sys/power/wakeup_count").write_text("5\n")
    thread.join(5)
    assert seen == ["5"]
