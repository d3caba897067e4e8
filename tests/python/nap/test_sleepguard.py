# SPDX-License-Identifier: GPL-3.0-or-later
"""The guard against a FakeLogind on a real bus, and against trees of files: this machine must not sleep."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest
from guarded import until, with_guard, write

from powernap.config.sections.inhibitors import InhibitorSettings
from powernap.config.sections.sleep import SleepSettings
from powernap.machine import clocks
from powernap.machine.dbus import BusError
from powernap.machine.rtc import NoClock
from powernap.machine.sleepdirect import NotSlept
from powernap.machine.wakeupcount import WakeEvent
from powernap.nap import commit
from powernap.nap.events import GoingToSleep, Resumed

FAR = 10**10


# --- without logind


def test_without_logind_the_kernels_file_is_written_and_the_engine_is_told_the_same(root, no_bus):
    async def work(guard, owner):
        owner.acting()
        await guard.order("suspend")
        return owner.kinds()

    assert with_guard(work, root) == [GoingToSleep, Resumed]
    assert (root / "sys/power/state").read_text().startswith("mem")


def test_a_direct_sleep_that_fails_says_why_and_takes_everything_back(root, no_bus):
    async def work(guard, owner):
        await guard.held("hibernate", False)
        await guard.begin_commit()
        await guard.commit("hibernate")
        assert (root / "sys/class/rtc/rtc0/wakealarm").read_text() == "+3600"
        owner.acting()
        with pytest.raises(NotSlept, match="no sleep state 'disk'"):
            await guard.order("hibernate")
        return owner.kinds()

    assert with_guard(work, root, SleepSettings(max_sleep_seconds=3600)) == [GoingToSleep]
    assert (root / "sys/class/rtc/rtc0/wakealarm").read_text() == "0"
    assert (root / "sys/power/wakeup_count").read_text() == "6"


@pytest.mark.parametrize(("direct", "systemd"), [("never", False), ("auto", True)])
def test_where_logind_should_be_the_lack_of_it_holds(root, no_bus, direct, systemd):
    if systemd:
        (root / "run/systemd/system").mkdir(parents=True)

    async def work(guard, _owner):
        return await guard.held("suspend", False)

    held = with_guard(work, root, SleepSettings(direct=direct))
    assert "D-Bus cannot be reached" in held[0]


def test_a_logind_that_is_lost_is_not_passed_by(root, logind):
    async def work(guard, _owner):
        logind.bus.kill()
        await until(lambda: guard.error)
        return await guard.held("suspend", False)

    assert "lost" in with_guard(work, root)[0]


# --- the two-phase commit, and the clock


def test_an_event_in_progress_calls_the_sleep_off_without_blocking_and_is_named(root, no_bus, monkeypatch):
    """A FIFO blocks its reader as the kernel's file does."""
    monkeypatch.setattr(commit, "IN_PROGRESS_SECONDS", 0.2)
    (root / "sys/power/wakeup_count").unlink()
    os.mkfifo(root / "sys/power/wakeup_count")
    write(root, "sys/class/wakeup/wakeup3/name", "0000:00:14.0\n")
    write(root, "sys/class/wakeup/wakeup3/active_time_ms", "15\n")

    async def work(guard, _owner):
        for _ in range(3):
            with pytest.raises(WakeEvent, match=r"in progress \(0000:00:14.0\).*sleep\.wakeup_count = false"):
                await guard.begin_commit()
        blocked = threading.active_count()
        writer = os.open(root / "sys/power/wakeup_count", os.O_WRONLY)
        (root / "sys/power/wakeup_count").unlink()
        write(root, "sys/power/wakeup_count", "8")
        os.close(writer)  # the event is over
        await guard.begin_commit()
        return blocked

    before = threading.active_count()
    assert with_guard(work, root) <= before + 1


def test_an_event_after_the_last_look_calls_the_sleep_off(root, no_bus):
    async def work(guard, _owner):
        await guard.begin_commit()
        (root / "sys/power/wakeup_count").unlink()
        (root / "sys/power/wakeup_count").mkdir()  # refuses the write, as the kernel does
        with pytest.raises(WakeEvent):
            await guard.commit("suspend")

    with_guard(work, root)


def test_where_it_is_switched_off_the_count_is_left_alone(root, no_bus):
    async def work(guard, _owner):
        await guard.begin_commit()
        await guard.commit("suspend")

    with_guard(work, root, SleepSettings(wakeup_count=False))
    assert (root / "sys/power/wakeup_count").read_text() == "7"


def test_a_poweroff_arms_the_clock_but_not_the_count(root, no_bus):
    async def work(guard, _owner):
        await guard.held("poweroff", False)
        await guard.begin_commit()
        await guard.commit("poweroff")
        return (root / "sys/class/rtc/rtc0/wakealarm").read_text(), (root / "sys/power/wakeup_count").read_text()

    assert with_guard(work, root, SleepSettings(max_sleep_seconds=7200)) == ("+7200", "7")


def test_a_job_that_nothing_can_wake_the_machine_for_holds_it(root, no_bus):
    (root / "sys/class/rtc/rtc0/wakealarm").unlink()
    write(root, "etc/crontab", "0 0 1 1 * root /usr/bin/yearly\n")

    async def work(guard, _owner):
        held = await guard.held("suspend", False)
        with pytest.raises(NoClock):
            await guard.commit("suspend")
        return held

    (sentence,) = with_guard(work, root, SleepSettings(wake_for=("*yearly",)))
    assert "/usr/bin/yearly is to be woken for, but this machine has no clock" in sentence


def test_without_a_clock_the_longest_sleep_is_only_told(root, no_bus, caplog):
    (root / "sys/class/rtc/rtc0/wakealarm").unlink()

    async def work(guard, _owner):
        held = await guard.held("suspend", False)
        await guard.commit("suspend")
        return held

    assert with_guard(work, root, SleepSettings(max_sleep_seconds=60)) == ()
    assert "sleep.max_sleep_seconds has no effect" in caplog.text


# --- what holds a sleep


def test_a_cron_job_that_is_due_holds_it(root, no_bus):
    due = time.localtime(time.time() + 120)
    write(root, "etc/crontab", f"{due.tm_min} {due.tm_hour} * * * root /usr/bin/soon\n")
    zone = Path("/etc/localtime")
    if zone.exists():
        (root / "etc/localtime").write_bytes(zone.read_bytes())

    async def work(guard, _owner):
        return await guard.held("suspend", False), await guard.held("suspend", True)

    held, ordered = with_guard(work, root)
    assert "/usr/bin/soon is due" in held[0]
    assert ordered == ()


def test_systemds_timers_are_asked_over_the_bus(root, logind):
    (root / "run/systemd/system").mkdir(parents=True)
    soon = int((time.time() + 100) * 1e6)
    logind.timers["backup.timer"] = {"NextElapseUSecRealtime": ("t", soon), "WakeSystem": ("b", True)}
    logind.timers["later.timer"] = {"NextElapseUSecRealtime": ("t", soon + FAR), "NextElapseUSecMonotonic": ("t", 0)}
    logind.timers["never.timer"] = {"NextElapseUSecRealtime": ("t", 2**64 - 1)}

    async def work(guard, _owner):
        return await guard.held("suspend", False)

    (sentence,) = with_guard(work, root)
    assert sentence.startswith("backup.timer is due in")


def test_a_lease_holds_orders_too(root, logind):
    async def work(guard, _owner):
        guard.leases.take("kim", "moving data", 600, 3600, clocks.now())
        return await guard.held("poweroff", True)

    (sentence,) = with_guard(work, root)
    assert sentence.startswith("kim holds lease 1 for another")


def test_an_inhibitor_that_is_ignored_is_among_the_notes(root, logind):
    logind.block("sleep", "jellyfin", "streaming")

    async def work(guard, _owner):
        return await guard.held("suspend", False), guard.notes()

    held, notes = with_guard(work, root, inhibitors=InhibitorSettings(ignore=("jelly*",)))
    assert held == ()
    assert notes[0].startswith("jellyfin forbids sleep: streaming (ignored")


@pytest.mark.parametrize(
    ("flags", "can", "method"), [(False, "yes", "Suspend"), (True, "inhibitor-blocked", "SuspendWithFlags")]
)
def test_an_ignored_inhibitor_is_passed_by_in_old_and_new_logind(root, logind, flags, can, method):
    logind.flags, logind.can = flags, can
    logind.block("sleep", "jellyfin", "streaming")

    async def work(guard, owner):
        assert await guard.held("suspend", False) == ()
        owner.acting()
        await guard.order("suspend")
        await until(lambda: Resumed in owner.kinds())

    with_guard(work, root, inhibitors=InhibitorSettings(ignore=("jelly*",)))
    assert logind.calls == [method]


def test_what_is_inhibited_and_not_ignored_is_not_ordered(root, logind):
    logind.can = "inhibitor-blocked"

    async def work(guard, _owner):
        with pytest.raises(BusError, match="inhibitor-blocked"):
            await guard.order("suspend")

    with_guard(work, root)
    assert not logind.calls
