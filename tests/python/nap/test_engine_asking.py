# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked before a sleep, in which order, and what an answer is worth."""

from __future__ import annotations

from dataclasses import replace

import pytest

from powernap.nap.engine import step
from powernap.nap.events import Act, Announce, CancelWarning, Look, Rehearse, Warn
from powernap.nap.evidence import Reading
from powernap.nap.policy import Policy, Step
from powernap.nap.state import Ask, Phase, begin, due

START = 1000.0
SUSPEND = Policy(steps=(Step(300, "suspend", 60),))


def test_people_are_warned_once_and_not_again_before_the_preparation_succeeds(world, source):
    policy = replace(SUSPEND, backoff_seconds=100, backoff_max_seconds=300)
    run = world(policy, [source("stamp")], answers=[(False, 0.0)] * 6).run(3500)
    assert len(run.times(Rehearse)) == 6
    assert len(run.times(Warn)) == 2 and len(run.times(CancelWarning)) == 1
    assert run.times(Act)[0] == pytest.approx(run.times(Warn)[1] + 60, abs=0.1)  # warned in full, then it sleeps


def test_activity_ends_a_rehearsal_without_a_word(world, source):
    policy = replace(SUSPEND, backoff_seconds=100)
    run = world(policy, [source("stamp", [1405.0])], answers=[(False, 0.0), (True, 30.0)]).run(1440)
    assert len(run.times(Rehearse)) == 1
    assert len(run.times(CancelWarning)) == 1  # that of the first refusal
    assert run.state.ask is Ask.NO and not run.times(Announce, cause="rehearsal")
    assert run.run(1700).times(Act) == []
    assert run.run(1800).times(Act)


def test_a_preparation_that_never_ends_is_given_up():
    at = START + 300
    state = replace(begin(START), look_at=at, ask=Ask.ASKED, attempt=3, aim=SUSPEND.steps[0], asked_at=at)
    state = replace(state, quiet_since=START)
    state, _effects = step(state, Look((Reading("ssh", "tcp", calls=True),)), at + 1, SUSPEND)
    assert (state.ask, state.look_at) == (Ask.ASKED, at + 60)
    state, effects = step(state, Look((Reading("ssh", "tcp", calls=True),)), at + 60, SUSPEND)
    assert state.ask is Ask.NO and state.phase is Phase.BACKOFF
    assert Announce("cancelled") in effects


def test_a_look_that_began_before_the_acknowledgement_is_not_the_last():
    state = replace(begin(START), look_at=START + 301, ask=Ask.ACKNOWLEDGED, attempt=3, aim=SUSPEND.steps[0])
    state = replace(state, quiet_since=START)
    ssh = (Reading("ssh", "tcp"),)
    state, effects = step(state, Look(ssh, ()), START + 301, SUSPEND)
    assert not [effect for effect in effects if isinstance(effect, Act)]
    assert state.look_at == START + 301
    state, effects = step(state, Look(ssh, None, commit=3), START + 301, SUSPEND)
    assert not [effect for effect in effects if isinstance(effect, Act)]
    _state, effects = step(state, Look(ssh, (), commit=3), START + 301, SUSPEND)
    assert Act(SUSPEND.steps[0], 3) in effects


def test_it_is_not_warned_before_it_was_asked_who_forbids_it():
    ssh = (Reading("ssh", "tcp"),)
    state, effects = step(replace(begin(START), look_at=START + 240), Look(ssh, None), START + 240, SUSPEND)
    assert not [effect for effect in effects if isinstance(effect, Warn)]
    assert state.look_at == START + 240


def test_a_look_that_began_in_time_but_took_long_is_no_jump_of_the_clock():
    state = replace(begin(START), look_at=START + 100)
    state, _effects = step(state, Look((Reading("ssh", "tcp"),), began=START + 101), START + 140, SUSPEND)
    assert due(state, SUSPEND) == START + 300


def test_what_was_active_at_the_last_look_was_so_until_now_unless_it_tells_its_end():
    running = Look((Reading("job", "jobs", active_now=True, counts=True),))
    state, _effects = step(begin(START), running, START, SUSPEND)
    state, _effects = step(state, running, START + 60, SUSPEND)
    ended, _effects = step(state, Look((Reading("job", "jobs", counts=True),)), START + 120, SUSPEND)
    assert ended.idle_since == START + 120
    told, _effects = step(state, Look((Reading("job", "jobs", START + 80),)), START + 120, SUSPEND)
    assert told.idle_since == START + 80
