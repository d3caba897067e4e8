# SPDX-License-Identifier: GPL-3.0-or-later
"""The guard and a FakeLogind on a real bus: orders, others' sleeps, what it says of the machine."""

from __future__ import annotations

import asyncio
import threading
import time
from types import SimpleNamespace

import pytest
from fake_logind import MANAGER
from guarded import until, with_guard, write
from jeepney import new_signal
from jeepney.low_level import HeaderFields

from powernap.config.sections.inhibitors import InhibitorSettings
from powernap.config.sections.sleep import SleepSettings
from powernap.machine.dbus import BusError
from powernap.nap.events import ActionFailed, GoingToSleep, Resumed
from powernap.nap.policy import Policy, Step

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


def test_two_that_hold_sleeps_up_at_a_time_leave_one_delay_and_giving_it_up_leaves_none(root, logind):
    """One that is forgotten would hold each sleep up for logind's 5 s."""

    async def work(guard, _owner):
        await until(logind.held)
        guard.logind.let_go()
        await until(lambda: logind.held() == 0)
        await asyncio.gather(guard.logind.hold(), guard.logind.hold())
        assert logind.held() == 1
        guard.logind.let_go()
        await until(lambda: logind.held() == 0)

    with_guard(work, root)


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


def test_a_suspend_that_begins_while_logind_is_first_asked_is_prepared_once(root, logind):
    """Its signal comes, and logind says besides that it is under way."""
    answer = logind._answer

    def begins_behind_the_delay(message):
        begins = message.header.fields[HeaderFields.member] == "Inhibit" and not logind.history
        answer(message)
        if begins:
            logind.preparing = True
            logind._connection.send(new_signal(MANAGER, "PrepareForSleep", "b", (True,)))
            logind.history.append("asleep")
            threading.Thread(target=ends, daemon=True).start()

    def ends():
        time.sleep(1)
        logind.preparing = False
        logind._signal("PrepareForSleep", False)

    logind._answer = begins_behind_the_delay

    async def work(_guard, owner):
        await until(lambda: Resumed in owner.kinds())
        return owner.prepared, owner.kinds()

    assert with_guard(work, root) == (["suspend"], [GoingToSleep, Resumed])


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
