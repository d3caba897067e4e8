# SPDX-License-Identifier: GPL-3.0-or-later
"""The guard against a FakeLogind on a real bus, and against trees of files: this machine must not sleep."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from fake_logind import FakeLogind

from powernap.config.sections.inhibitors import InhibitorSettings
from powernap.config.sections.sleep import SleepSettings
from powernap.machine import clocks
from powernap.machine.dbus import BusError
from powernap.machine.rtc import NoClock
from powernap.machine.sleepdirect import NotSlept
from powernap.machine.wakeupcount import WakeEvent
from powernap.nap import commit, sleepguard
from powernap.nap.events import ActionFailed, GoingToSleep, Resumed
from powernap.nap.policy import Policy, Step
from powernap.nap.sleepguard import SleepGuard
from powernap.nap.state import Ask, Phase, begin

FAR = 10**10


class FakeOwner:
    """Stands in for the daemon: notes what it is told, and follows with the engine's state."""

    def __init__(self) -> None:
        self.policy = Policy((Step(60.0, "suspend"),))
        self.state = begin(clocks.now())
        self.events: list = []
        self.prepared: list[str] = []
        self.looks = 0
        self.tasks: list[asyncio.Task] = []

    def acting(self) -> None:
        self.state = replace(self.state, ask=Ask.ACTING, phase=Phase.SUSPENDING, attempt=1)

    def tell(self, event) -> None:
        self.events.append(event)
        if isinstance(event, GoingToSleep):
            self.state = replace(self.state, ask=Ask.ACTING, phase=Phase.ASLEEP)
        else:
            self.state = replace(self.state, ask=Ask.NO, phase=Phase.AWAKE)

    def look_soon(self) -> None:
        self.looks += 1

    async def prepare_foreign(self, action: str) -> None:
        self.prepared.append(action)

    def spawn(self, work) -> None:
        self.tasks.append(asyncio.ensure_future(work))

    def kinds(self) -> list[type]:
        return [type(event) for event in self.events]


@pytest.fixture
def logind(tmp_path, monkeypatch):
    (tmp_path / "logind").mkdir()
    made = FakeLogind(tmp_path / "logind")
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", made.address)
    yield made
    made.close()


@pytest.fixture
def no_bus(tmp_path, monkeypatch):
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path}/nobody")


@pytest.fixture
def root(tmp_path):
    """A machine's tree that can sleep, and has a clock and a count of wake-up events."""
    made = tmp_path / "root"
    for path, text in {
        "sys/power/state": "freeze mem",
        "sys/power/wakeup_count": "7",
        "sys/class/rtc/rtc0/wakealarm": "",
        "sys/class/rtc/rtc0/since_epoch": "1000",
    }.items():
        write(made, path, text)
    return made


def write(root: Path, path: str, text: str = "") -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


def with_guard(work, root, sleep=None, inhibitors=None, start=True):
    """Run ``work(guard, owner)`` with a guard that is connected, and give everything back."""

    async def run():
        owner = FakeOwner()
        guard = SleepGuard(owner, root)
        config = SimpleNamespace(sleep=sleep or SleepSettings(), inhibitors=inhibitors or InhibitorSettings())
        guard.adopt(config, root)
        if start:
            await guard.start()
        try:
            return await asyncio.wait_for(work(guard, owner), 20)
        finally:
            guard.close()
            for task in owner.tasks:
                task.cancel()

    return asyncio.run(run())


async def until(condition, complaint="it does not happen", seconds=8.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, complaint
        await asyncio.sleep(0.01)


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


# --- through logind


@pytest.mark.parametrize(
    ("action", "method"),
    [
        ("suspend", "Suspend"),
        ("hibernate", "Hibernate"),
        ("hybrid-sleep", "HybridSleep"),
        ("suspend-then-hibernate", "SuspendThenHibernate"),
    ],
)
def test_every_sleep_is_ordered_and_its_end_is_told(root, logind, action, method):
    async def work(guard, owner):
        owner.acting()
        await guard.order(action)
        await until(lambda: owner.kinds() == [GoingToSleep, Resumed])
        await until(lambda: logind.delays, "the delay is not taken again")
        return owner.events[1]

    resumed = with_guard(work, root)
    assert logind.calls == [method]
    assert 0.1 < resumed.slept_seconds < 5


def test_what_logind_cannot_is_said_with_a_remedy(root, logind):
    logind.can = "na"

    async def work(guard, _owner):
        with pytest.raises(BusError, match=r"cannot hibernate \(logind says 'na'\): it needs swap"):
            await guard.order("hibernate")
        with pytest.raises(BusError, match=r"cannot suspend .* or choose another action"):
            await guard.order("suspend")

    with_guard(work, root)
    assert not logind.calls


def test_a_sleep_that_failed_is_told_with_the_device_that_refused(root, logind):
    logind.result = "exit-code"
    write(root, "sys/power/suspend_stats/last_failed_dev", "usb1")
    write(root, "sys/power/suspend_stats/last_failed_step", "suspend")
    write(root, "sys/power/suspend_stats/last_failed_errno", "-16")

    async def work(guard, owner):
        owner.acting()
        await guard.order("hibernate")
        await until(lambda: ActionFailed in owner.kinds())
        return owner.events[-1].reason

    reason = with_guard(work, root)
    assert reason.startswith("the hibernate failed (exit-code): see 'journalctl -u systemd-hibernate.service'")
    assert "usb1 refused to suspend: Device or resource busy" in reason


def test_the_kernels_word_of_what_woke_it_is_passed_on(root, logind):
    write(root, "sys/class/wakeup/wakeup1/name", "PNP0C0C:00")
    write(root, "sys/class/wakeup/wakeup1/event_count", "1")

    async def work(guard, owner):
        owner.acting()
        await guard.commit("suspend")
        await guard.order("suspend")
        await until(lambda: GoingToSleep in owner.kinds())
        write(root, "sys/class/wakeup/wakeup1/event_count", "2")
        await until(lambda: Resumed in owner.kinds())
        return owner.events[-1].cause

    assert with_guard(work, root) == "power button"


def test_a_wake_by_our_own_alarm_names_the_job(root, logind):
    async def work(guard, owner):
        owner.acting()
        await guard.held("suspend", False)
        await guard.commit("suspend")
        await guard.order("suspend")
        await until(lambda: Resumed in owner.kinds())
        return owner.events[-1].cause

    assert with_guard(work, root, SleepSettings(max_sleep_seconds=1.0)) == "clock, for sleep.max_sleep_seconds"


def test_somebody_elses_suspend_is_prepared_and_woken_from_for_jobs(root, logind):
    logind.sleep_seconds = 1.0

    async def work(guard, owner):
        await until(lambda: logind.delays)
        logind.somebody_suspends()
        await until(lambda: GoingToSleep in owner.kinds())
        set_for = guard.alarms.due
        await until(lambda: Resumed in owner.kinds())
        return owner.prepared, set_for, guard.alarms.due

    prepared, during, after = with_guard(work, root, SleepSettings(max_sleep_seconds=3600))
    assert prepared == ["suspend"]
    assert during is not None and after is None


def test_somebody_elses_suspend_while_ours_is_under_way_is_one_sleep(root, logind):
    logind.ignores_orders = True

    async def work(guard, owner):
        await until(lambda: logind.delays)
        owner.acting()
        await guard.order("suspend")
        logind.somebody_suspends()
        await until(lambda: Resumed in owner.kinds())
        return owner.kinds(), owner.prepared

    assert with_guard(work, root) == ([GoingToSleep, Resumed], [])


@pytest.mark.parametrize("whose", ["ours", "somebody else's"])
def test_the_alarm_of_a_machine_that_is_switched_off_outlives_the_daemon(root, logind, whose):
    async def work(guard, owner):
        await until(lambda: logind.delays)
        if whose == "ours":
            owner.acting()
            await guard.held("poweroff", False)
            await guard.commit("poweroff")
            await guard.order("poweroff")
        else:
            logind.somebody_stops()
        await until(lambda: "off" in logind.history)

    with_guard(work, root, SleepSettings(max_sleep_seconds=7200))
    assert (root / "sys/class/rtc/rtc0/wakealarm").read_text() == "+7200"


def test_otherwise_the_daemon_leaves_no_alarm_behind(root, logind):
    async def work(guard, _owner):
        await guard.held("hibernate", False)
        await guard.commit("hibernate")

    with_guard(work, root, SleepSettings(max_sleep_seconds=7200))
    assert (root / "sys/class/rtc/rtc0/wakealarm").read_text() == "0"


def test_what_logind_itself_does_with_an_idle_machine_is_among_the_notes_anew_at_each_reload(root, logind):
    logind.idle_action, logind.idle_action_seconds = "suspend", 900

    async def work(guard, owner):
        await until(guard.notes)
        notes = [guard.notes()]
        owner.policy = Policy((Step(1200.0, "suspend"),))
        for action in ("hibernate", "ignore"):
            logind.idle_action = action
            guard.adopt(SimpleNamespace(sleep=SleepSettings(), inhibitors=InhibitorSettings()), root)
            await owner.tasks[-1]
            notes.append(guard.notes())
        return notes

    (first,), (second,), third = with_guard(work, root)
    assert first.startswith("logind itself does suspend after 900 s") and "should powernapd not have" in first
    assert second.startswith("logind itself does hibernate after 900 s") and "before powernapd would" in second
    assert third == ()


def test_where_logind_cannot_be_asked_its_files_tell_and_where_there_is_none_nobody_minds(root, no_bus):
    write(root, "etc/systemd/logind.conf", "[Login]\nIdleAction=suspend\n")

    async def work(guard, owner):
        await owner.tasks[-1]
        return guard.notes()

    assert with_guard(work, root) == ()
    write(root, "run/systemd/system/x.service")
    assert with_guard(work, root)[0].startswith("logind itself does suspend after 1800 s")


def test_mains_and_lid_are_asked_of_logind_where_the_files_say_nothing(root, logind):
    logind.properties |= {"LidClosed": True, "OnExternalPower": False}

    async def work(guard, _owner):
        return await guard.power()

    supply = with_guard(work, root)
    assert (supply.lid_closed, supply.on_battery) == (True, True)


# --- looks meanwhile


def test_a_sleep_that_begins_while_it_is_asked_about_is_not_taken_for_over(root, logind, monkeypatch):
    async def work(guard, owner):
        async def preparing():
            owner.tell(GoingToSleep())
            return ""  # as it was when the question was answered

        monkeypatch.setattr(guard.logind, "preparing", preparing)
        owner.acting()
        await guard.check()
        return owner

    assert with_guard(work, root).kinds() == [GoingToSleep]


# --- restarts


@pytest.mark.parametrize("what", ["restart", "restart_bus"])
@pytest.mark.parametrize("when", ["idle", "ordered", "preparing", "asleep"])
def test_a_restart_at_any_step_leaves_it_awake_connected_and_guarded(root, logind, monkeypatch, what, when):
    logind.sleep_seconds = 0.8 if when == "asleep" else 0.1
    logind.ignores_orders = when == "ordered"

    async def work(guard, owner):
        await until(lambda: logind.delays)
        if when == "preparing":  # the machine waits for us meanwhile
            stuck = asyncio.Event()
            monkeypatch.setattr(owner, "prepare_foreign", lambda _action: stuck.wait())
            monkeypatch.setattr(sleepguard, "FOREIGN_SLEEP_SECONDS", 0.5)
            logind.somebody_suspends()
            await until(lambda: logind.preparing)
        elif when != "idle":
            owner.acting()
            await guard.order("suspend")
        if when == "asleep":
            await until(lambda: "asleep" in logind.history)
        await asyncio.to_thread(getattr(logind, what))
        await until(lambda: guard.logind.connected and not guard.error and logind.delays, "it is not guarded again")
        await until(lambda: not logind.preparing, "the sleep does not end")
        for _ in range(20):  # the daemon's look a minute later
            if owner.state.ask is Ask.ACTING:
                await guard.check()
            await asyncio.sleep(0.01)
        return owner

    owner = with_guard(work, root)
    assert owner.state.ask is Ask.NO
    if when == "ordered":
        assert "nothing came of it" in owner.events[-1].reason
    elif when == "asleep":
        assert isinstance(owner.events[-1], Resumed)


def test_a_hold_that_was_answered_as_the_bus_was_lost_counts_for_nothing(root, logind):
    async def work(guard, _owner):
        await until(lambda: logind.delays)
        await asyncio.to_thread(logind.restart_bus)
        await until(lambda: not guard.logind.connected)
        guard.logind._delay = os.open("/dev/null", os.O_RDONLY)  # the answer of a logind that is gone
        await until(lambda: guard.logind.connected)
        assert logind.delays, "nothing holds sleeps up"

    with_guard(work, root)
