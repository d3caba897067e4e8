# SPDX-License-Identifier: GPL-3.0-or-later
"""Staged descent: any number of steps, with conditions, one rule per test."""

from __future__ import annotations

from dataclasses import replace

import pytest

from powernap.nap.conditions import Conditions, Surroundings, windows
from powernap.nap.events import Act, Answer, CancelWarning, NapNow, Record, Register, Resumed, Undo, Warn
from powernap.nap.policy import Policy, Step
from powernap.nap.state import Phase, due, passed_over

START = 1000.0
BATTERY, MAINS = Surroundings(on_battery=True, calls=True), Surroundings(on_battery=False, calls=True)
LIGHTS = Step(100, "exec", name="lights", command="/etc/powernap/lights")
SAVE, SUSPEND, OFF = Step(300, "powersave"), Step(900, "suspend", 60), Step(3600, "poweroff")
ON_BATTERY = Conditions(power="battery")
LADDER = Policy(steps=(LIGHTS, SAVE, SUSPEND))


def test_each_step_comes_at_its_own_time_since_the_last_activity(world, source):
    run = world(LADDER, [source("stamp", [1050.0])]).run(2000)
    assert [time for time, effect in run.log if isinstance(effect, Act)] == pytest.approx([1150, 1350, 1950], abs=0.1)


def test_activity_undoes_all_steps_the_last_first(world, source):
    run = world(LADDER, [source("stamp", [1400.0])]).run(1410)
    assert [effect.step for _time, effect in run.log if isinstance(effect, Undo)] == [SAVE, LIGHTS]
    assert run.state.depth == 0


def test_a_step_whose_conditions_do_not_hold_is_passed_over(world, source):
    policy = Policy(steps=(replace(SAVE, conditions=ON_BATTERY), SUSPEND))
    run = world(policy, [source("stamp")], around=[(START, MAINS)]).run(2000)
    assert not run.times(Act, action="powersave")
    assert run.times(Act, action="suspend") == pytest.approx([1900], abs=0.1)


def test_a_step_comes_when_its_conditions_come_to_hold(world, source):
    policy = Policy(steps=(replace(SAVE, conditions=ON_BATTERY),))
    run = world(policy, [source("stamp")], around=[(START, MAINS), (5000.0, BATTERY)]).run(4999)
    assert run.looks < 5
    assert run.run(5001).times(Act) == [5000.0]


def test_a_step_whose_conditions_hold_no_longer_is_undone_and_the_others_stay(world, source):
    policy = Policy(steps=(LIGHTS, replace(SAVE, conditions=ON_BATTERY)))
    run = world(policy, [source("stamp")], around=[(START, BATTERY), (2000.0, MAINS)]).run(2100)
    assert [(time, effect.step.action) for time, effect in run.log if isinstance(effect, Undo)] == [
        (2000.0, "powersave")
    ]
    assert [taken.step for taken in run.state.taken] == [LIGHTS]
    assert any("the machine runs on mains" in e.cause for _t, e in run.log if isinstance(e, Record))


def test_a_warning_is_called_off_when_the_conditions_hold_no_longer(world, source):
    policy = Policy(steps=(replace(SUSPEND, conditions=ON_BATTERY),))
    run = world(policy, [source("stamp")], around=[(START, BATTERY), (1870.0, MAINS)]).run(3000)
    assert (run.times(Warn), run.times(CancelWarning), run.times(Act)) == ([1840.0], [1870.0], [])
    assert run.state.reason == "no suspend: the machine runs on mains"


def test_what_is_not_known_keeps_the_machine_awake_and_is_said(world, source):
    policy = Policy(steps=(replace(SUSPEND, conditions=Conditions(battery_below=20)),))
    run = world(policy, [source("stamp")], around=[(START, Surroundings(calls=True))]).run(9000)
    assert not run.times(Act) and not run.times(Warn)
    assert run.state.reason == "no suspend: it is not known how full the battery is"
    assert passed_over(run.state, policy)[0][0].action == "suspend"


def test_where_nobody_calls_the_surroundings_are_looked_at_only_when_the_time_has_come(world, source):
    policy = Policy(steps=(replace(SAVE, conditions=ON_BATTERY),))
    calm = [(START, replace(MAINS, calls=False)), (5000.0, replace(BATTERY, calls=False))]
    run = world(policy, [source("stamp")], around=calm).run(1299)
    assert run.looks == 1
    assert 5000 <= run.run(6000).times(Act)[0] <= 5060


def test_a_time_window_is_kept_to_the_second_without_looks_in_between(world, source):
    policy = Policy(
        steps=(replace(SUSPEND, grace_seconds=0, conditions=Conditions(between=windows(("01:00-02:00",)))),)
    )
    run = world(policy, [source("stamp")], midnight=START, sleep=300).run(START + 86400)
    assert run.times(Act) == pytest.approx([START + 3600 + 1200 * i for i in range(3)], abs=0.1)
    assert run.looks < 30


def test_a_step_in_effect_ends_with_its_window(world, source):
    policy = Policy(steps=(replace(SAVE, conditions=Conditions(between=windows(("00:00-03:00",)))),))
    run = world(policy, [source("stamp", armed=True)], midnight=START).run(START + 20000)
    assert run.times(Act) == [START + 300]
    assert run.times(Undo) == [START + 3 * 3600]


def test_of_two_steps_with_one_action_the_second_takes_over_when_the_first_is_undone(world, source):
    later = Step(1000, "powersave", conditions=Conditions(power="mains"))
    policy = Policy(steps=(replace(SAVE, conditions=ON_BATTERY), later))
    run = world(policy, [source("stamp")], around=[(START, BATTERY), (3000.0, MAINS)]).run(3100)
    assert run.times(Act) == [1300.0, 3000.0] and run.times(Undo) == [3000.0]
    assert run.state.taken[0].step == later


def test_a_step_that_fails_is_undone_alone_and_tried_again_before_those_behind_it(world, source):
    policy = replace(LADDER, backoff_seconds=100)
    run = world(policy, [source("stamp")], actions=[True, False, True]).run(2000)
    assert [effect.step for _time, effect in run.log if isinstance(effect, Undo)] == [SAVE]
    assert run.times(Act, action="powersave") == pytest.approx([1300, 1400], abs=0.1)
    assert run.times(Act, action="exec") == [1100.0]


def test_a_sleep_that_fails_does_not_hold_up_the_steps_before_it(world, source):
    policy = Policy(steps=(SAVE, SUSPEND), backoff_seconds=3000)
    run = world(policy, [source("stamp", [2000.0])], actions=[True, False]).run(2400)
    assert run.times(Act, action="powersave") == [1300.0, 2300.0]
    assert due(run.state, policy) == pytest.approx(1900 + 3000, abs=0.1)


def test_a_step_that_runs_on_may_be_warned_of(world, source):
    policy = Policy(steps=(replace(LIGHTS, grace_seconds=30),))
    run = world(policy, [source("stamp")]).run(1200)
    assert run.first(Warn) == Warn(30.0, "exec (lights)", "idle for 70 s")
    assert run.times(Act) == [1100.0] and not run.times(Register)


def test_an_order_takes_the_next_step_whose_conditions_hold(world, source):
    policy = Policy(steps=(replace(SAVE, conditions=ON_BATTERY), SUSPEND))
    run = world(policy, [source("stamp")], around=[(START, MAINS)])
    run.at(1010, NapNow())
    assert run.run(1011).times(Act, action="suspend")


def test_an_order_is_refused_where_no_conditions_hold(world, source):
    run = world(Policy(steps=(replace(SUSPEND, conditions=ON_BATTERY),)), [source("stamp")], around=[(START, MAINS)])
    run.at(1010, NapNow())
    assert run.run(1011).first(Answer) == Answer(False, "no suspend: the machine runs on mains")


def test_after_a_sleep_the_whole_descent_begins_again(world, source):
    run = world(LADDER, [source("stamp")], sleep=50).run(2500)
    woken = next(time for time, event in run.events if isinstance(event, Resumed))
    assert [effect.step for _time, effect in run.log if isinstance(effect, Undo)][:2] == [SAVE, LIGHTS]
    assert run.times(Act, action="exec") == pytest.approx([1100, woken + 100], abs=0.1)


def test_observing_goes_through_all_steps_up_to_a_sleep_and_back_on_activity(world, source):
    policy = replace(Policy(steps=(*LADDER.steps, replace(OFF, conditions=ON_BATTERY))), observe=True)
    run = world(policy, [source("stamp", [2500.0])], around=[(START, BATTERY)]).run(2450)
    causes = [effect.cause for _time, effect in run.log if isinstance(effect, Record)]
    assert [cause.split(" now")[0] for cause in causes if "would" in cause] == [
        "it would exec (lights)",
        "it would powersave",
        "it would suspend",
    ]
    run.run(9000)
    assert run.times(Undo) == run.times(Warn) == run.times(Act) == []
    assert any("no longer idle" in effect.cause for _time, effect in run.log if isinstance(effect, Record))
    assert run.state.phase is Phase.OBSERVING


def test_observing_an_inhibitor_holds_the_sleep_as_it_would(world, source):
    policy = replace(LADDER, observe=True)
    run = world(policy, [source("stamp")], inhibited=[(1000.0, 9000.0)]).run(3000)
    assert (run.state.phase, run.state.reason) == (Phase.HELD, "inhibited")


def test_the_last_record_always_has_the_deadline_of_now(world, source):
    stamps = [START + 37 * i for i in range(60)]
    run = world(LADDER, [source("stamp", stamps)])
    for until in range(1001, 4000, 7):
        run.run(until)
        deadline = due(run.state, run.policy)
        assert deadline is None or abs(run.state.told - deadline) <= 0.5
