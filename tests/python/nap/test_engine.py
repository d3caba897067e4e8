# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine, one rule per test."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from powernap.nap.engine import step
from powernap.nap.events import (
    Acknowledged,
    Act,
    ActionFailed,
    Announce,
    Answer,
    CancelWarning,
    GoingToSleep,
    Look,
    NapNow,
    Record,
    Recover,
    Refused,
    Register,
    Rehearse,
    Resumed,
    Undo,
    Warn,
)
from powernap.nap.evidence import Reading
from powernap.nap.policy import Policy, Step
from powernap.nap.state import Ask, Phase, begin, due

START = 1000.0
SUSPEND = Policy(steps=(Step(300, "suspend", 60),))
TWO = Policy(steps=(Step(300, "powersave"), Step(900, "suspend", 150)))


def test_naps_exactly_when_the_idle_time_is_over(world, source):
    run = world(SUSPEND, [source("stamp", [1010.0])]).run(1400)
    assert run.times(Warn) == [1250.0]
    assert run.times(Act) == pytest.approx([1310.0], abs=0.1)


@pytest.mark.parametrize("kind", ["stamp", "hold"])
def test_it_is_awake_again_when_the_least_time_awake_is_over_and_that_is_recorded(world, source, kind):
    times = [(1000.0, 1010.0), (1850.0, 9000.0)] if kind == "hold" else [1010.0]
    run = world(SUSPEND, [source(kind, times)], sleep=500.0).run(1860)
    (resumed,) = [time for time, event in run.events if isinstance(event, Resumed)]
    assert run.state.phase is Phase.RESUMING
    run.run(resumed + SUSPEND.min_awake_seconds + 0.5)
    assert run.state.phase is Phase.AWAKE
    assert run.times(Record)[-1] == pytest.approx(resumed + SUSPEND.min_awake_seconds, abs=0.1)


def test_looks_only_at_the_deadlines_when_the_source_keeps_time(world, source):
    run = world(SUSPEND, [source("stamp", [1010.0])]).run(1249)
    assert run.looks == 2  # at start, and at what would have been the deadline


def test_looks_several_times_a_period_when_the_source_only_counts(world, source):
    run = world(SUSPEND, [source("count", [1010.0])]).run(2000)
    assert run.looks > 5
    assert 1310.0 <= run.times(Act)[0] <= 1310.0 + 300 / 5 + 0.1


def test_does_not_look_while_a_process_runs(world, source):
    run = world(SUSPEND, [source("hold", [(1000.0, 9000.0)])]).run(8999)
    assert run.looks == 1
    run.run(9400)
    assert run.times(Act) == pytest.approx([9300.0], abs=0.1)


def test_warns_of_the_seconds_left_and_the_action(world, source):
    run = world(SUSPEND, [source("stamp")]).run(1250)
    assert run.first(Warn) == Warn(60.0, "suspend", "idle for 240 s")


def test_activity_in_the_grace_time_cancels_within_a_second_and_says_so(world, source):
    run = world(SUSPEND, [source("stamp", [1270.3])]).run(1300)
    assert 1270.3 <= run.times(CancelWarning)[0] <= 1271.4
    assert run.state.phase is Phase.AWAKE
    assert not run.times(Act)
    assert run.run(1600).times(Act) == pytest.approx([1570.3], abs=0.1)


def test_an_armed_monitor_cancels_at_once_without_looks_in_between(world, source):
    run = world(SUSPEND, [source("count", [1270.3], armed=True)]).run(1260)
    looks = run.looks
    run.run(1275)
    assert run.times(CancelWarning) == [1270.3]
    assert run.looks == looks + 1


def test_activity_while_the_wake_server_is_asked_cancels_and_tells_it(world, source):
    run = world(SUSPEND, [source("stamp", [1302.0])], answers=[(True, 5.0)]).run(1310)
    assert run.times(Register) == [1300.0]
    assert not run.times(Act)
    assert run.times(Announce) == pytest.approx([1302.0], abs=1.1)


def test_activity_between_acknowledgement_and_sleep_cancels(world, source):
    run = world(SUSPEND, [source("stamp")], answers=[(True, 0.5)]).run(1300.1)
    run.sources[0].times.append(1300.4)
    run.run(1310)
    assert not run.times(Act)
    assert run.times(Announce, cause="cancelled")
    assert run.times(CancelWarning)


def test_nobody_is_warned_of_a_powersave(world, source):
    run = world(TWO, [source("stamp")]).run(1310)
    assert not run.times(Warn)
    assert run.times(Act, action="powersave") == [1300.0]
    assert run.state.phase is Phase.POWERSAVE


def test_a_powersave_asks_nobody_for_acknowledgement(world, source):
    assert not world(TWO, [source("stamp")]).run(1310).times(Register)


def test_activity_takes_a_powersave_back_within_two_seconds(world, source):
    run = world(TWO, [source("stamp", [1400.5])]).run(1410)
    assert 1400.5 <= run.times(Undo)[0] <= 1402.6
    assert run.state.phase is Phase.AWAKE
    assert run.run(1800).times(Act, action="powersave") == [1300.0, pytest.approx(1700.5, abs=0.1)]


def test_stage_two_follows_a_powersave_with_a_warning_over_its_last_quarter(world, source):
    run = world(TWO, [source("stamp")]).run(1950)
    assert run.times(Warn) == [1750.0]
    assert run.times(Act, action="suspend") == pytest.approx([1900.0], abs=0.1)


def test_a_resume_takes_the_powersave_back_and_announces(world, source):
    run = world(TWO, [source("stamp")], sleep=50).run(1960)
    assert run.times(Undo) == pytest.approx([1950.0], abs=0.1)
    assert run.first(Announce) == Announce("resume", 50)


def test_after_a_resume_the_machine_stays_awake_for_a_fresh_period_and_the_minimum(world, source):
    policy = replace(SUSPEND, min_awake_seconds=1000)
    run = world(policy, [source("stamp")], sleep=50).run(1352)
    assert run.state.phase is Phase.RESUMING
    run.run(3000)
    assert run.times(Act) == pytest.approx([1300.0, 2350.0], abs=0.2)


def test_a_resume_that_is_told_twice_counts_once(world, source):
    run = world(SUSPEND, [source("stamp")]).run(1100)
    run.tell(Resumed(5.0, "the clocks"))
    run.tell(Resumed(5.0, "logind"))
    assert len(run.times(Announce)) == 1


def test_a_failing_monitor_counts_as_active_and_is_named(world, source):
    run = world(SUSPEND, [source("failing", [1000.0 + 2 * i for i in range(800)])]).run(2100)
    assert not run.times(Act)
    assert "cannot be read" in run.state.cause


def test_no_monitor_never_naps(world, source):
    run = world(SUSPEND, []).run(1e6)
    assert run.looks == 1
    assert run.state.phase is Phase.HELD
    assert "no monitor" in run.state.reason


def test_a_machine_that_must_not_never_naps(world, source):
    run = world(replace(SUSPEND, never="this is a container"), [source("stamp")])
    run.at(1500, NapNow())
    run.run(1e6)
    assert not run.times(Act)
    assert run.times(Answer, ok=False) == [1500]
    assert run.state.reason == "this is a container"


def test_an_inhibitor_holds_the_nap_without_warning_and_its_end_frees_it(world, source):
    run = world(SUSPEND, [source("stamp")], inhibited=[(1100.0, 5000.0)]).run(4999)
    assert not run.times(Warn)
    assert (run.state.phase, run.state.reason) == (Phase.HELD, "inhibited")
    run.run(5100)
    assert run.times(Warn) == [5000.0]
    assert run.times(Act) == pytest.approx([5060.0], abs=0.1)


def test_an_inhibitor_that_comes_in_the_grace_time_cancels(world, source):
    run = world(SUSPEND, [source("stamp")], inhibited=[(1280.0, 5000.0)]).run(1400)
    assert run.times(CancelWarning)
    assert not run.times(Act)


def test_an_inhibitor_does_not_hold_a_powersave(world, source):
    run = world(TWO, [source("stamp")], inhibited=[(1100.0, 50000.0)]).run(3000)
    assert run.times(Act, action="powersave")
    assert not run.times(Act, action="suspend")


def test_without_acknowledgement_no_nap_and_the_wait_doubles_to_the_cap(world, source):
    policy = replace(SUSPEND, backoff_seconds=100, backoff_max_seconds=300)
    run = world(policy, [source("stamp")], answers=[(False, 0.0)] * 20).run(4000)
    assert not run.times(Act)
    tries = run.times(Register) + run.times(Rehearse)
    assert [round(b - a) for a, b in pairwise(sorted(tries))][:4] == [100, 200, 300, 300]
    assert "wake server is down" in run.state.reason


def test_a_failed_suspend_tells_the_wake_server_and_backs_off(world, source):
    run = world(SUSPEND, [source("stamp")], actions=[False]).run(1302)
    assert run.times(Announce, cause="failed")
    assert run.state.phase is Phase.BACKOFF
    assert "a device refused" in run.state.reason
    assert len(run.run(1500).times(Act)) == 2


def test_a_failed_powersave_is_taken_back(world, source):
    run = world(TWO, [source("stamp")], actions=[False]).run(1310)
    assert run.times(Undo)
    assert run.state.phase is Phase.BACKOFF


def test_an_order_naps_at_once_but_not_without_acknowledgement(world, source):
    run = world(SUSPEND, [source("stamp", [1009.9])], answers=[(False, 0.1)])
    run.at(1010, NapNow())
    run.run(1020)
    assert run.times(Register) == [1010]
    assert not run.times(Act)
    assert run.first(Answer) == Answer(False, "the wake server is down")


def test_an_order_is_not_cancelled_by_the_typing_that_gave_it(world, source):
    run = world(SUSPEND, [source("stamp", [1009.9, 1010.2])], answers=[(True, 0.5)])
    run.at(1010, NapNow())
    assert run.run(1012).times(Act) == pytest.approx([1010.5], abs=0.01)


def test_an_ordered_powersave_survives_the_typing_that_gave_it_but_not_later_activity(world, source):
    run = world(TWO, [source("stamp", [1009.9, 1010.2, 1050.0])])
    run.at(1010, NapNow())
    assert not run.run(1049).times(Undo)
    assert run.run(1060).times(Undo)


def test_an_order_in_the_last_stage_says_that_there_is_no_further_one(world, source):
    policy = Policy(steps=(Step(300, "powersave"),))
    run = world(policy, [source("stamp")])
    run.at(1400, NapNow())
    assert "already in powersave" in run.run(1401).first(Answer).sentence


def test_an_order_is_held_by_an_inhibitor(world, source):
    run = world(SUSPEND, [source("stamp")], inhibited=[(1000.0, 1100.0)])
    run.at(1050, NapNow())
    assert run.run(1051).first(Answer) == Answer(False, "inhibited")


def test_recover_takes_back_cancels_and_starts_a_fresh_period(world, source):
    run = world(TWO, [source("stamp")])
    run.at(1800, Recover())  # in powersave, and warned of stage 2
    run.run(1801)
    assert run.times(Undo) == [1800]
    assert run.times(CancelWarning) == [1800]
    assert run.run(2200).times(Act, action="powersave")[-1] == 2100.0


def test_observing_decides_and_records_but_does_nothing(world, source):
    run = world(replace(TWO, observe=True), [source("stamp", [2500.0])]).run(2400)
    causes = [effect.cause for _time, effect in run.log if isinstance(effect, Record)]
    assert any("it would powersave now, idle for 300 s" in cause for cause in causes)
    assert any("it would suspend now, idle for 900 s" in cause for cause in causes)
    assert run.state.phase is Phase.OBSERVING
    assert run.run(4000).log
    assert not [e for _t, e in run.log if isinstance(e, (Warn, Act, Register, Announce, Undo, CancelWarning))]
    assert due(run.state, run.policy) is not None or run.state.depth == 2


def test_an_order_while_observing_says_that_nothing_is_done(world, source):
    run = world(replace(SUSPEND, observe=True), [source("stamp")])
    run.at(1010, NapNow())
    assert "observe" in run.run(1011).first(Answer).sentence


def test_a_sleep_by_somebody_else_ends_the_warning_and_is_announced_after(world, source):
    run = world(SUSPEND, [source("stamp")])
    run.at(1270, GoingToSleep())
    run.at(1400, Resumed(130.0))
    run.run(1401)
    assert run.times(CancelWarning) == [1270]
    assert run.times(Announce, cause="resume") == [1400]
    assert run.times(Act) == []


@pytest.mark.parametrize("jump", [-5000.0, -1.0, 3600.0, 1e9])
def test_a_clock_that_jumps_never_naps_early(world, source, jump):
    run = world(SUSPEND, [source("stamp")]).run(1280)
    assert run.warned
    run.tell(None, now=1280 + jump)
    assert run.times(CancelWarning)
    assert due(run.state, run.policy) == 1280 + jump + 300


def test_a_look_that_comes_much_too_late_starts_a_fresh_period():
    state = replace(begin(START), look_at=START + 240)
    state, effects = step(state, Look((Reading("ssh", "tcp"),)), START + 5000, SUSPEND)
    assert not [effect for effect in effects if isinstance(effect, Warn)]
    assert due(state, SUSPEND) == START + 5300


@pytest.mark.parametrize("looked", [False, True])
@pytest.mark.parametrize(("slept", "deadline"), [(7200, 7500), (2, 300)])
def test_a_sleep_that_fails_in_its_end_is_followed_by_a_fresh_period(slept, deadline, looked):
    """Such as one to disk, hours after that to memory: perhaps somebody woke the machine to use it."""
    acting = {"ask": Ask.ACTING, "phase": Phase.ASLEEP, "attempt": 3, "aim": SUSPEND.steps[0]}
    state = replace(begin(START), **acting, look_at=START + 60)
    if looked:
        state, _effects = step(state, Look((Reading("ssh", "tcp"),)), START + slept, SUSPEND)
    state, _effects = step(state, ActionFailed(3, "the image cannot be written"), START + slept, SUSPEND)
    assert due(state, SUSPEND) == START + deadline


def test_a_stale_acknowledgement_is_worth_nothing():
    state = replace(begin(START), ask=Ask.ASKED, attempt=3, phase=Phase.SUSPENDING)
    same, _effects = step(state, Acknowledged(2), START + 1, SUSPEND)
    assert same.ask is Ask.ASKED
    late, effects = step(state, Acknowledged(3), START + 100, SUSPEND)
    assert late.ask is Ask.NO
    assert Announce("cancelled") in effects


def test_a_refusal_of_an_earlier_attempt_changes_nothing():
    state = replace(begin(START), ask=Ask.ASKED, attempt=3)
    assert step(state, Refused(2, "old"), START, SUSPEND)[0].ask is Ask.ASKED
    assert step(state, ActionFailed(2, "old"), START, SUSPEND)[0].ask is Ask.ASKED


def test_a_warning_is_never_shorter_than_the_grace_time(world, source):
    run = world(SUSPEND, [source("stamp")]).run(1200)
    run.policy = Policy(steps=(Step(100, "suspend", 60),))
    run.tell(None)
    assert run.first(Warn).seconds == 60


def test_half_a_minute_of_lateness_is_enough_to_start_afresh():
    state = replace(begin(START), look_at=START + 240)
    late, _effects = step(state, Look((Reading("ssh", "tcp"),)), START + 271, SUSPEND)
    assert due(late, SUSPEND) == START + 571
    slow, _effects = step(state, Look((Reading("ssh", "tcp"),)), START + 250, SUSPEND)
    assert due(slow, SUSPEND) == START + 310  # 10 s late: warned then, with the full grace time
    assert slow.warned


def test_activity_just_after_the_warning_cancels_however_short_the_times_are(world, source):
    policy = Policy(steps=(Step(2.0, "suspend", 1.0),))
    run = world(policy, [source("stamp", [START + 1.2])]).run(START + 2.5)
    assert run.times(CancelWarning)
    assert not run.times(Act)


def test_an_inhibitor_that_comes_while_the_wake_server_is_asked_holds_the_sleep(world, source):
    run = world(SUSPEND, [source("stamp")], answers=[(True, 3.0)], inhibited=[(1301.0, 1400.0)]).run(1310)
    assert not run.times(Act)
    assert run.times(Announce, cause="cancelled")
    assert run.state.phase is Phase.HELD


def test_a_good_sleep_forgets_the_failures_before_it(world, source):
    policy = replace(SUSPEND, backoff_seconds=100)
    run = world(policy, [source("stamp")], actions=[False, False, True, False], sleep=10).run(5000)
    acts = run.times(Act)
    waits = [round(b - a) for a, b in pairwise(acts)]
    assert waits[:4] == [160, 260, 310, 160]


def test_a_good_powersave_forgets_the_failures_before_it(world, source):
    policy = Policy(steps=(Step(300, "powersave"),), backoff_seconds=100)
    run = world(policy, [source("stamp", [2000.0])], actions=[False, False, True]).run(1800)
    assert [round(time) for time in run.times(Act)] == [1300, 1400, 1600]
    assert run.state.backoff == 0.0
