# SPDX-License-Identifier: GPL-3.0-or-later
"""Between deadlines only those are asked that must be: nothing is decided on what the others said long ago."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from fake_monitor import FakeMonitor, until
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from powernap.nap import watch
from powernap.nap.conditions import Conditions
from powernap.nap.engine import step
from powernap.nap.events import Act, Look, NapNow, Record, Warn
from powernap.nap.evidence import Reading, restless
from powernap.nap.monitors import load
from powernap.nap.monitors.load import LoadMonitor
from powernap.nap.monitors.wol import WolMonitor
from powernap.nap.planning import alone
from powernap.nap.policy import Policy, Step
from powernap.nap.state import Ask, Phase, begin
from powernap.nap.watch import Watch

START = 1000.0
SUSPEND = Policy(steps=(Step(300, "suspend", 60),))
READINGS = (Reading("ssh", "tcp"), Reading("load", "load", counts=True))
AWAKE = replace(begin(START), asked_all=START, look_at=START + 60)


def test_between_deadlines_those_that_count_are_asked_alone():
    assert alone(AWAKE, SUSPEND, READINGS, START + 60) == {"load"}
    assert restless(
        (
            *READINGS,
            Reading("job", "jobs", active_now=True),
            Reading("work", "process", active_now=True, calls=True),
            Reading("disk", "disk", error="cannot be read"),
        )
    ) == {"load", "job", "disk"}


@pytest.mark.parametrize(
    ("state", "policy", "readings", "at"),
    [
        (AWAKE, SUSPEND, READINGS, START + 240),  # the warning is due
        (AWAKE, SUSPEND, READINGS, START - 1),  # the clock went back
        (replace(AWAKE, asked_all=START + 500), SUSPEND, READINGS, START + 60),  # so it did before
        (replace(AWAKE, last_active=START + 200), SUSPEND, READINGS, START + 300),  # a period is over
        (replace(AWAKE, fresh=START + 30), SUSPEND, READINGS, START + 60),  # woken, or ordered, since all were asked
        (replace(AWAKE, warned=True, aim=SUSPEND.steps[0]), SUSPEND, READINGS, START + 60),
        (replace(AWAKE, ask=Ask.ASKED), SUSPEND, READINGS, START + 60),
        (replace(AWAKE, phase=Phase.HELD), SUSPEND, READINGS, START + 60),
        (AWAKE, Policy(steps=(Step(300, "suspend", conditions=Conditions(power="battery")),)), READINGS, START + 60),
        (AWAKE, SUSPEND, READINGS[:1], START + 60),
        (AWAKE, SUSPEND, READINGS[1:], START + 60),
        (AWAKE, SUSPEND, (), START + 60),
    ],
)
def test_all_are_asked_wherever_more_may_be_due(state, policy, readings, at):
    assert alone(state, policy, readings, at) == frozenset()


@pytest.mark.parametrize(
    ("told", "asked"),
    [
        ({"tty": START + 50}, {"tty", "load"}),
        ({"tty": START + 110}, {"tty", "load"}),
        ({"tty": START + 130}, set()),  # until that deadline nobody else would be asked for too long
        ({"tty": START - 10}, set()),  # what is known already
        ({"tty": START + 0.5}, set()),  # the warning is due all the same
        ({"tty": START + 245}, set()),  # in the future
        ({"tty": START + 50, "ssh": START + 100}, set()),  # all of them
    ],
)
def test_at_a_deadline_that_is_known_to_move_only_who_knows_it_is_asked(told, asked):
    readings = (*READINGS, Reading("tty", "console"))
    assert alone(AWAKE, SUSPEND, readings, START + 241, told) == asked


def test_the_nap_is_as_punctual_by_what_monitors_are_told(world, source):
    sources = [source("stamp", [1030.0], told=True), source("stamp", name="other")]
    run = world(SUSPEND, sources).run(1400)
    assert run.times(Warn) == pytest.approx([1270.0], abs=0.1)
    assert run.times(Act) == pytest.approx([1330.0], abs=0.1)
    assert [at for at, event in run.events if isinstance(event, Look) and event.partial] == [1240.0]


def test_nothing_is_done_on_a_look_at_some_that_comes_late():
    state = replace(AWAKE, looked=START + 180, now=START + 180, look_at=START + 239)
    state, effects = step(state, Look(READINGS, None, partial=True), START + 241, SUSPEND)
    assert state.look_at == START + 241 and not state.warned
    assert not any(isinstance(effect, Warn) for effect in effects)
    assert alone(state, SUSPEND, READINGS, START + 241) == frozenset()


def test_activity_at_a_look_at_some_moves_the_deadline_but_is_no_look_at_all():
    busy = (READINGS[0], replace(READINGS[1], last_active=START + 60, active_now=True))
    state, _effects = step(replace(AWAKE, now=START), Look(busy, None, partial=True), START + 60, SUSPEND)
    assert state.last_active == START + 60 and state.active == {"load"}
    assert state.asked_all == START


def test_a_source_that_keeps_time_is_asked_but_once_a_period_and_the_nap_is_on_time(world, source):
    run = world(SUSPEND, [source("stamp", [1010.0]), source("count")]).run(1245)
    assert run.partial == 3 and run.looks == run.partial + 2  # at the start, and when the warning might be due
    assert run.run(1400).times(Act) == pytest.approx([1310.0], abs=0.1)


@example(stamps=[], counts=[1001.0, 1241.0], looks=1, observe=False, told=True)
@settings(suppress_health_check=[HealthCheck.too_slow])
@given(
    stamps=st.lists(st.floats(START, 3000), max_size=12),
    counts=st.lists(st.floats(START, 3000), max_size=12),
    looks=st.integers(1, 20),
    observe=st.booleans(),
    told=st.booleans(),
)
def test_all_are_asked_at_least_once_a_period(world, source, stamps, counts, looks, observe, told):
    policy = replace(SUSPEND, looks_per_period=looks, observe=observe)
    stamp = source("stamp", stamps)
    teller = source("stamp", sorted({*stamps, *counts}), told=told, name="teller")
    run = world(policy, [stamp, source("count", counts), teller], sleep=1e9)
    for at in range(1010, 3600, 10):
        run.run(float(at))
        if run.state.ask is Ask.ACTING:
            return
        assert at - stamp.looked <= 300 * (1 + 1 / looks) + 1


def test_who_only_observes_plans_what_follows_on_the_same_look(world, source):
    policy = Policy(steps=(Step(300, "powersave"), Step(600, "suspend")), observe=True)
    run = world(policy, [source("stamp")]).run(1301)
    assert run.looks == 2 and run.state.depth == 1 and run.state.look_at == 1600
    assert run.run(1601).looks == 3
    assert [effect.cause.partition(" now")[0] for _time, effect in run.log if isinstance(effect, Record)][1:] == [
        "it would powersave",
        "it would suspend",
    ]


def test_a_look_that_serves_for_longer_is_taken_less_often_but_everybody_at_the_deadline():
    def look_at(*readings):
        state, _effects = step(begin(START), Look(readings, None), START, SUSPEND)
        return state.look_at - START

    assert look_at(Reading("load", "load", counts=True)) == 60
    assert look_at(Reading("load", "load", counts=True, serves=150.0)) == 150
    assert look_at(Reading("load", "load", counts=True, serves=5.0)) == 60
    assert look_at(Reading("load", "load", counts=True, serves=1e6)) == 240
    assert look_at(Reading("load", "load", counts=True, serves=150.0), Reading("disk", "disk", counts=True)) == 60
    assert look_at(Reading("load", "load", counts=True, serves=150.0), Reading("ssh", "tcp")) == 150
    assert look_at(Reading("load", "load", counts=True, serves=150.0), Reading("ssh", "tcp", error="lost")) == 60


def test_a_watch_asks_only_those_and_hands_on_what_the_others_said():
    FakeMonitor.made = []
    monitors = [FakeMonitor(name, {}) for name in ("one", "two")]
    watched = Watch(monitors)

    async def play():
        _now, before = await watched.look(lambda: 10.0)
        monitors[0].last = monitors[1].last = 15.0
        now, readings = await watched.look(lambda: 20.0, frozenset(("two",)), before)
        assert now == 20.0 and [reading.last_active for reading in readings] == [None, 15.0]
        assert [monitor.looks for monitor in monitors] == [[10.0], [10.0, 20.0]]
        assert watched._sources.active == {"one", "two"}  # of "one" nobody knows: no noise is learned
        _now, readings = await watched.look(lambda: 30.0)
        assert watched._sources.active == frozenset()
        assert [reading.last_active for reading in readings] == [15.0, 15.0]

    asyncio.run(play())


def test_who_seeks_what_was_plugged_in_is_asked_at_each_look():
    monitors = [FakeMonitor(name, {}) for name in ("one", "two", "wol")]
    monitors[2].seeks = WolMonitor.seeks
    watched = Watch(monitors)

    async def play():
        _now, before = await watched.look(lambda: 10.0)
        _now, readings = await watched.look(lambda: 20.0, frozenset(("two",)), before)
        assert [monitor.looks[-1] for monitor in monitors] == [10.0, 20.0, 20.0]
        assert [reading.name for reading in readings] == ["one", "two", "wol"]

    asyncio.run(play())


def test_a_daemon_asks_all_when_somebody_calls_and_some_when_it_was_planned(running, monkeypatch, tmp_path):
    monkeypatch.setattr(watch, "KINDS", {"process": FakeMonitor, "load": LoadMonitor})
    # So near the threshold that no look serves for long; on a quiet machine one does, and none follows.
    (tmp_path / "loadavg").write_text("0.95 0.95 0.95 1/50 1000\n")
    monkeypatch.setattr(load, "LOADAVG", tmp_path / "loadavg")
    times = "absent_seconds = 30\ngrace_seconds = 0\nlooks_per_period = 100\n"
    text = f'[nap]\nmode = "observe"\n{times}[monitors.load]\nkind = "load"\nthreshold = 1\n'

    async def play():
        async with running(text) as (daemon, monitor):
            (average,) = [each for each in daemon._parts.watch._monitors if each is not monitor]
            looks, look = [], average.look
            average.look = lambda now: (looks.append(now), look(now))[1]
            asked = len(monitor.looks)
            await until(lambda: len(looks) >= 3)
            assert len(monitor.looks) == asked
            await daemon.look()
            assert len(monitor.looks) == asked + 1
            monitor.call()
            await until(lambda: len(monitor.looks) == asked + 2)
            daemon.tell(NapNow())

    asyncio.run(play())


def test_a_daemon_asks_at_a_deadline_that_is_known_to_move_only_who_knows(running):
    text = '[nap]\nmode = "observe"\nabsent_seconds = 300\n[monitors.other]\nkind = "process"\npattern = "y"\n'

    async def play():
        async with running(text) as (daemon, monitor):
            (other,) = [each for each in FakeMonitor.made if each is not monitor and not each.closed]
            assert {monitor.name, other.name} == {"fake", "other"}
            await until(lambda: daemon.state.asked_all > 0)
            past = daemon.state.now - 301
            daemon.state = replace(daemon.state, now=past, fresh=past, last_active=past, asked_all=past, looked=past)
            monitor.last = past + 50
            monitor.told = lambda: monitor.last
            asked, looks = len(other.looks), len(monitor.looks)
            daemon.looks.plan(past + 300)
            await until(lambda: len(monitor.looks) > looks)
            await until(lambda: daemon.state.last_active == past + 50)
            assert len(other.looks) == asked
            assert daemon.looks.planned == past + 350

    asyncio.run(play())
