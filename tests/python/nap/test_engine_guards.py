# SPDX-License-Identifier: GPL-3.0-or-later
"""Guards of the engine that only rare moments need: a clock a day ahead, two conditions that lapse at a time."""

from __future__ import annotations

from dataclasses import replace

import pytest

from powernap.nap.conditions import Conditions, Surroundings
from powernap.nap.engine import step
from powernap.nap.events import Act, Answer, CancelWarning, Look, NapNow, Recover, Rehearse, Undo, Warn
from powernap.nap.evidence import Reading
from powernap.nap.policy import Policy, Step
from powernap.nap.state import Ask, Phase, Taken, begin, due

START = 1000.0
DAY = 86400.0
SUSPEND = Policy(steps=(Step(300, "suspend", 60),), min_awake_seconds=400, backoff_max_seconds=500)
SSH = (Reading("ssh", "tcp"),)


@pytest.mark.parametrize("waits", [{"not_before": START + DAY + 60}, {"retry_at": START + DAY + 60}])
def test_when_the_clock_is_set_back_a_wait_is_no_longer_than_the_longest_of_its_kind(waits):
    state = replace(begin(START + DAY), troubled=SUSPEND.steps[0], **waits)
    state, _effects = step(state, Look(SSH), START, SUSPEND)
    assert START + 300 <= due(state, SUSPEND) <= START + 500


def test_when_the_clock_is_set_back_activity_still_takes_a_step_back():
    policy = Policy(steps=(Step(300, "powersave"),))
    state = replace(begin(START + DAY), taken=(Taken(policy.steps[0], 1, START + DAY),), settled=START + DAY)
    state, _effects = step(state, Look(SSH), START, policy)
    assert state.taken
    state, effects = step(state, Look((Reading("ssh", "tcp", START + 5),)), START + 5, policy)
    assert Undo(policy.steps[0]) in effects and not state.taken


def test_steps_whose_conditions_lapse_together_are_undone_the_last_first():
    on_battery = Conditions(power="battery")
    lights = Step(100, "exec", 0, on_battery, "lights", "/etc/powernap/lights")
    save = Step(300, "powersave", 0, on_battery)
    policy = Policy(steps=(lights, save))
    state = replace(begin(START), taken=(Taken(lights, 1, START), Taken(save, 2, START)), settled=START)
    _state, effects = step(state, Look(SSH, (), Surroundings(on_battery=False)), START + 400, policy)
    assert [effect for effect in effects if isinstance(effect, Undo)] == [Undo(save), Undo(lights)]


def test_who_forbids_a_sleep_is_asked_again_though_nobody_calls():
    policy = replace(SUSPEND, backoff_seconds=60)
    state, effects = step(replace(begin(START), look_at=START + 240), Look(SSH, ("held",)), START + 240, policy)
    assert (state.phase, state.look_at) == (Phase.HELD, START + 300)
    assert not [effect for effect in effects if isinstance(effect, Warn)]


def test_when_the_last_monitor_goes_a_warning_is_called_off():
    state, _effects = step(replace(begin(START), look_at=START + 240), Look(SSH), START + 240, SUSPEND)
    assert state.warned
    state, effects = step(state, Look(()), START + 241, SUSPEND)
    assert not state.warned and state.look_at is None
    assert [effect for effect in effects if isinstance(effect, CancelWarning)]


def test_an_order_that_was_acknowledged_ends_the_doubt_of_a_refusal(world, source):
    policy = replace(SUSPEND, min_awake_seconds=0, backoff_seconds=100)
    run = world(policy, [source("stamp")], answers=[(False, 0.0)], sleep=10)
    run.at(START + 350, NapNow())
    run.run(START + 800)
    assert len(run.times(Act)) == 2  # the order, and the idle time after it
    assert not run.times(Rehearse)


def test_a_monitor_that_begins_to_fail_is_active_from_that_look_on():
    failing = (Reading("ssh", "tcp", error="it cannot be read"),)
    state, effects = step(replace(begin(START), look_at=START + 240), Look(failing), START + 240, SUSPEND)
    assert due(state, SUSPEND) == START + 540 and "cannot be read" in state.cause
    assert not [effect for effect in effects if isinstance(effect, Warn)]


def test_a_battery_that_tells_of_no_percent_is_looked_at_every_two_minutes():
    policy = Policy(steps=(Step(300, "suspend", 60, Conditions(battery_below=50)),))
    full = Surroundings(on_battery=True, battery_percent=95, calls=True)
    state, _effects = step(replace(begin(START), look_at=START + 400), Look(SSH, (), full), START + 400, policy)
    assert state.look_at == START + 520


def test_an_order_to_recover_comes_too_late_for_a_sleep_under_way():
    acting = replace(begin(START), ask=Ask.ACTING, phase=Phase.SUSPENDING, aim=SUSPEND.steps[0], attempt=1)
    state, _effects = step(acting, Recover(), START + 5, SUSPEND)
    assert (state.ask, state.phase, state.fresh) == (Ask.ACTING, Phase.SUSPENDING, START)


def test_an_order_while_a_nap_is_under_way_is_refused_and_changes_nothing():
    asked = replace(begin(START), ask=Ask.ASKED, phase=Phase.SUSPENDING, aim=SUSPEND.steps[0], attempt=1)
    state, effects = step(asked, NapNow(), START + 5, SUSPEND)
    assert Answer(False, "a nap is already under way") in effects
    assert (state.ask, state.attempt, state.ordered) == (Ask.ASKED, 1, False)
