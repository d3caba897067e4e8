# SPDX-License-Identifier: GPL-3.0-or-later
"""When the daemon looks and whom it arms, and what a reload, an order and a defect leave of that, in this process."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from fake_monitor import FakeMonitor, free, until

from powernap.machine import clocks
from powernap.nap import running as running_module
from powernap.nap import setup
from powernap.nap.conditions import Conditions, Surroundings
from powernap.nap.events import Recover
from powernap.nap.state import Ask, Phase, Taken
from powernap.shared.errors import PowernapError

PROMPT = "[nap]\nabsent_seconds = 1\ngrace_seconds = 0\n"
QUICK = "[nap]\nabsent_seconds = 2\ngrace_seconds = 1\nmin_awake_seconds = 0\n"


def test_monitors_call_at_the_next_activity_only_while_people_are_warned(running, monkeypatch):
    async def play():
        async with running(QUICK) as (daemon, monitor):
            free(daemon, monkeypatch)
            assert not monitor.armed
            await until(lambda: daemon.state.warned)
            assert monitor.armed
            monitor.last = clocks.now()
            monitor.call()
            await until(lambda: not daemon.state.warned)
            assert not monitor.armed

    asyncio.run(play())


def test_while_observing_no_monitor_is_armed(running, monkeypatch):
    async def play():
        async with running(PROMPT + 'mode = "observe"\naction = "powersave"\n') as (daemon, monitor):
            free(daemon, monkeypatch)
            await until(lambda: daemon.state.taken)
            assert not monitor.armed

    asyncio.run(play())


def test_while_people_are_warned_a_call_is_answered_at_once_and_else_within_a_second(running):
    """By the times for which looks are planned: those at which they come are also the machine's that runs the tests."""

    async def play():
        async with running() as (daemon, monitor):
            await daemon.look()
            assert not daemon.state.attentive
            before, looks, called = monitor.looks[-1], len(monitor.looks), clocks.now()
            monitor.call()
            assert before + 0.99 < daemon.looks.called_for < called + 1.5
            await until(lambda: len(monitor.looks) > looks)
            assert monitor.looks[looks] - before > 0.99
            daemon.state = replace(daemon.state, warned=True)
            looks, called = len(monitor.looks), clocks.now()
            monitor.call()
            assert daemon.looks.called_for < called + 0.5
            await until(lambda: len(monitor.looks) > looks)

    asyncio.run(play())


def test_a_storm_of_calls_costs_one_look_a_second(running):
    async def play():
        async with running() as (_daemon, monitor):
            looks, begun = len(monitor.looks), clocks.now()
            while clocks.now() < begun + 1.5:
                monitor.call()
                await asyncio.sleep(0.01)
            assert 1 <= len(monitor.looks) - looks <= clocks.now() - begun + 1

    asyncio.run(play())


def test_calls_while_a_look_waits_for_answers_bring_about_one_look_more(running):
    async def play():
        async with running() as (daemon, monitor):
            monitor.answers.clear()
            look = asyncio.ensure_future(daemon.look())
            for _ in range(150):
                await asyncio.sleep(0.01)
                monitor.call()
            looks = len(monitor.looks)
            monitor.answers.set()
            await look
            await asyncio.sleep(0.3)
            assert len(monitor.looks) == looks + 2

    asyncio.run(play())


def test_monitors_that_cannot_be_armed_stop_nothing(running, monkeypatch):
    async def play():
        async with running(QUICK) as (daemon, monitor):
            slept = free(daemon, monkeypatch)
            monkeypatch.setattr(monitor, "arm", lambda: 1 / 0)
            monkeypatch.setattr(monitor, "disarm", lambda: 1 / 0)
            await until(lambda: slept)

    asyncio.run(play())


def test_a_reload_begins_a_fresh_idle_period_and_forgets_what_the_old_monitors_said(running, monkeypatch):
    async def play():
        async with running() as (daemon, _monitor):
            await asyncio.sleep(0.1)
            begun, shown, adopt = clocks.now(), [], daemon._adopt
            assert daemon.situation().readings

            def adopted(*parts):
                shown.append(daemon.situation().readings)
                adopt(*parts)

            monkeypatch.setattr(daemon, "_adopt", adopted)
            await daemon.reload()
            assert shown == [()]
            assert daemon.state.fresh >= begun

    asyncio.run(play())


@pytest.mark.parametrize("asleep", [False, True])
def test_a_reload_is_announced_unless_the_machine_is_about_to_sleep(running, monkeypatch, asleep):
    async def play():
        async with running() as (daemon, _monitor):
            said = []
            monkeypatch.setattr(daemon, "_announce", lambda cause, _slept: said.append(cause))
            if asleep:
                daemon.state = replace(daemon.state, ask=Ask.ACTING, phase=Phase.ASLEEP)
            await daemon.reload()
            assert said == ([] if asleep else ["reload"])

    asyncio.run(play())


def test_who_forbids_a_sleep_and_does_not_answer_forbids_it(running, monkeypatch):
    async def play():
        async with running(PROMPT) as (daemon, _monitor):

            async def silent(*_):
                await asyncio.sleep(60)

            monkeypatch.setattr(daemon.guard, "held", silent)
            monkeypatch.setattr(running_module, "HELD_SECONDS", 0.1)
            await until(lambda: daemon.state.phase is Phase.HELD)
            assert "was not found out within" in daemon.state.reason

    asyncio.run(play())


def test_holds_that_were_asked_about_another_step_allow_none(running, monkeypatch):
    """While the monitors are asked, another step's turn comes: its own holds are asked first."""

    async def play():
        async with running(PROMPT) as (daemon, monitor):
            slept = free(daemon, monkeypatch)
            first = replace(daemon.policy.steps[0], action="hibernate", conditions=Conditions(power="battery"))
            told, real = [], daemon.tell
            monkeypatch.setattr(daemon, "tell", lambda event, now=None: (told.append(event), real(event, now)))

            async def around(_power):
                return Surroundings(on_battery=False)

            monkeypatch.setattr(daemon._surroundings, "read", around)
            monitor.answers.clear()
            await until(lambda: clocks.now() >= daemon.state.fresh + 1.2)
            daemon.policy = replace(daemon.policy, steps=(replace(first, conditions=Conditions()),))
            monitor.answers.set()
            await until(lambda: told)
            assert told[0].held is None
            await until(lambda: slept)

    asyncio.run(play())


def test_a_wakeup_count_that_cannot_be_read_ends_the_attempt(running, monkeypatch):
    async def play():
        async with running(PROMPT) as (daemon, _monitor):
            slept = free(daemon, monkeypatch)

            async def broken():
                raise PowernapError("a wake-up event has just come")

            monkeypatch.setattr(daemon.guard, "begin_commit", broken)
            await until(lambda: daemon.state.phase is Phase.BACKOFF)
            assert "a wake-up event has just come" in daemon.state.reason
            assert not slept

    asyncio.run(play())


def test_the_wakeup_count_is_read_for_the_last_look_only(running, monkeypatch):
    async def play():
        async with running(QUICK) as (daemon, _monitor):
            slept, read = free(daemon, monkeypatch), []

            async def counted():
                read.append(daemon.state.ask)

            monkeypatch.setattr(daemon.guard, "begin_commit", counted)
            await until(lambda: slept)
            assert read == [Ask.ACKNOWLEDGED]

    asyncio.run(play())


def test_a_preparation_that_runs_into_a_defect_is_a_refusal(running, monkeypatch):
    async def play():
        async with running(PROMPT) as (daemon, _monitor):
            free(daemon, monkeypatch)

            async def broken(_action):
                raise RuntimeError("a defect")

            monkeypatch.setattr(daemon._preparation, "prepare", broken)
            await until(lambda: daemon.state.phase is Phase.BACKOFF)
            assert daemon.state.reason == "a defect"

    asyncio.run(play())


def test_an_action_that_runs_into_a_defect_has_failed(running, monkeypatch):
    async def play():
        async with running(PROMPT + 'action = "powersave"\n') as (daemon, _monitor):

            class FakeAction:
                async def act(self):
                    raise RuntimeError("a defect")

                async def undo(self):
                    return []

            monkeypatch.setattr(daemon._doing, "action", lambda *_: FakeAction())
            await until(lambda: daemon.state.phase is Phase.BACKOFF)
            assert not daemon.state.taken and "a defect" in daemon.state.reason

    asyncio.run(play())


def test_steps_are_done_and_undone_one_after_the_other(running, monkeypatch):
    """An undo that overtakes its step would leave the step in effect."""

    async def play():
        async with running(PROMPT + 'action = "powersave"\n') as (daemon, _monitor):
            said = []

            class FakeAction:
                async def act(self):
                    said.append("begins")
                    await asyncio.sleep(0.3)
                    said.append("done")
                    return []

                async def undo(self):
                    said.append("undone")
                    return []

            monkeypatch.setattr(daemon._doing, "action", lambda *_: FakeAction())
            await until(lambda: said)
            daemon.tell(Recover())
            await until(lambda: "undone" in said)
            assert said == ["begins", "done", "undone"]

    asyncio.run(play())


def test_a_sleep_under_way_is_asked_after_at_each_look(running, monkeypatch):
    async def play():
        async with running() as (daemon, _monitor):
            free(daemon, monkeypatch)
            asked = []

            async def check():
                asked.append(daemon.state.ask)

            monkeypatch.setattr(daemon.guard, "check", check)
            await daemon.look()
            assert not asked
            daemon.state = replace(daemon.state, ask=Ask.ACTING, phase=Phase.ASLEEP)
            await daemon.look()
            assert asked == [Ask.ACTING]

    asyncio.run(play())


def test_an_order_goes_by_the_surroundings_and_the_holds_of_now(running, monkeypatch):
    async def play():
        async with running() as (daemon, _monitor):
            slept = free(daemon, monkeypatch)
            daemon.policy = replace(
                daemon.policy, steps=(replace(daemon.policy.steps[0], conditions=Conditions(power="battery")),)
            )

            async def held(*_):
                return ("somebody forbids it",)

            async def on_mains(_power):
                return Surroundings(on_battery=False)

            async def on_battery(_power):
                return Surroundings(on_battery=True)

            monkeypatch.setattr(daemon._surroundings, "read", on_mains)
            assert (await daemon.nap_now()).sentence == "no suspend: the machine runs on mains"
            monkeypatch.setattr(daemon._surroundings, "read", on_battery)
            nobody = daemon.guard.held
            monkeypatch.setattr(daemon.guard, "held", held)
            assert (await daemon.nap_now()).sentence == "somebody forbids it"
            monkeypatch.setattr(daemon.guard, "held", nobody)
            assert (await daemon.nap_now()).ok
            await until(lambda: slept)

    asyncio.run(play())


def test_the_end_of_the_daemon_takes_back_what_is_under_way(running, monkeypatch):
    async def play():
        async with running() as (daemon, _monitor):
            said = []
            monkeypatch.setattr(daemon, "_announce", lambda cause, _slept: said.append(cause))
            daemon.state = replace(daemon.state, ask=Ask.ASKED)
        assert said == ["cancelled"]

    asyncio.run(play())


def test_the_configuration_is_read_anew_while_nothing_is_watched_twice(running):
    async def play():
        async with running() as (daemon, monitor):
            for _ in range(3):
                await daemon.reload()
            assert [made.closed for made in FakeMonitor.made] == [True, True, True, False]
            assert setup.load(daemon._path).nap.absent_seconds == 300
            assert monitor is FakeMonitor.made[0]

    asyncio.run(play())


@pytest.mark.parametrize("observes", [False, True])
def test_the_sleeps_of_others_are_registered_unless_it_only_observes(running, monkeypatch, observes):
    async def play():
        async with running() as (daemon, _monitor):
            daemon.policy = replace(daemon.policy, observe=observes)
            prepared = []

            async def prepare(action):
                prepared.append(action)

            monkeypatch.setattr(daemon._preparation, "prepare", prepare)
            await daemon.prepare_foreign("suspend")
            assert prepared == ([] if observes else ["suspend"])

    asyncio.run(play())


def test_a_sleep_that_nobody_announced_is_seen_by_the_clocks_at_the_next_look(running, monkeypatch):
    async def play():
        async with running() as (daemon, _monitor):
            said = []
            monkeypatch.setattr(daemon, "_announce", lambda cause, slept: said.append((cause, slept)))
            monkeypatch.setattr(daemon.guard._gauge, "slept", lambda: 50.0)
            begun = clocks.now()
            await daemon.look()
            assert said == [("resume", 50.0)] and daemon.state.fresh >= begun

    asyncio.run(play())


@pytest.mark.parametrize("observes", [False, True])
def test_the_end_of_the_daemon_takes_back_the_steps_in_effect(running, monkeypatch, observes):
    async def play():
        restored = []
        async with running() as (daemon, _monitor):

            async def restore():
                restored.append(1)

            monkeypatch.setattr(daemon._doing, "restore", restore)
            daemon.policy = replace(daemon.policy, observe=observes)
            daemon.state = replace(daemon.state, taken=(Taken(daemon.policy.steps[0], 1, 0.0),))
        assert len(restored) == (0 if observes else 1)

    asyncio.run(play())
