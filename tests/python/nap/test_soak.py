# SPDX-License-Identifier: GPL-3.0-or-later
"""Thousands of deadlines, and from every state a way to a nap.

Why no run can stay awake for ever: after each event the engine either names the time of the next look, or somebody has
promised to call (``promise`` below lists who; the daemon keeps a call that comes during a look for the look after it).
And from whatever state, calm leads to a nap within a bound.
"""

from __future__ import annotations

import random
from bisect import bisect_right
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from simulated import END, START, Source, World

from powernap.nap.conditions import Conditions, Surroundings
from powernap.nap.engine import JUMP_SECONDS, step
from powernap.nap.events import (
    Acknowledged,
    Act,
    ActionDone,
    ActionFailed,
    Announce,
    GoingToSleep,
    Look,
    NapNow,
    Record,
    Recover,
    Refused,
    Register,
    Resumed,
    Warn,
)
from powernap.nap.evidence import Reading
from powernap.nap.moves import ANSWER_SECONDS, SLEEP_CHECK_SECONDS
from powernap.nap.policy import Policy, Step
from powernap.nap.state import Ask, Phase, State, Taken, begin, due, passed_over

EVERYTHING = Surroundings(True, 10.0, True, False, calls=True)
CONDITIONS = [
    Conditions(),
    Conditions(power="battery"),
    Conditions(battery_below=50),
    Conditions(lid="closed", display="none"),
    Conditions(between=((0.0, 86399.0),)),
]


def promise(state: State, policy: Policy, readings: tuple[Reading, ...]) -> str:
    """Return who has promised to bring about the next look; "": nobody."""
    if policy.never:
        return "whoever changes the configuration"
    if not readings:
        return "whoever enables a monitor"
    if any(reading.active_now and reading.calls and not reading.error for reading in readings):
        return "a monitor that sees activity, at its end"
    if due(state, policy) is None:
        over = [step.conditions for step, _why in passed_over(state, policy)]
        told = state.around.calls and not any("battery" in each.facts or each.timed for each in over)
        if state.taken and all(reading.calls and not reading.error for reading in readings):
            return "all monitors, at the next activity" if not over or told else ""
        if not state.taken and over and told:
            return "the kernel, when the surroundings change"
    return ""


class Chaos(World):
    """A World in which answers get lost, somebody sets the clock, and the daemon is killed and started again."""

    def tell(self, event, now=None):
        if event is None and self.state.ask is Ask.ACTING and not self._on_its_way():
            self._check()  # what sleepguard.py asks logind before each such look
        super().tell(event, now)
        if isinstance(self.events[-1][1], Look) and self.state.look_at is None:
            assert promise(self.state, self.policy, self.events[-1][1].readings), f"nobody calls in {self.state}"

    def _on_its_way(self) -> bool:
        return any(isinstance(event, (GoingToSleep, Resumed, ActionFailed)) for _w, _n, event in self._pending)

    def _check(self) -> None:
        late = self.state.phase is Phase.ASLEEP
        failed = ActionFailed(self.state.attempt, "nothing came of it")
        super().tell(Resumed(1.0, "noticed late") if late else failed)

    def kill(self) -> None:
        """The daemon is started again; what was in effect is taken back from the journal."""
        self._pending = [item for item in self._pending if not isinstance(item[2], (Acknowledged, Refused))]
        self.state = replace(begin(self.now), attempt=self.state.attempt + 1000)
        self.fresh, self.warned, self.owes_announcement = self.now, False, False
        self.applied.clear()
        for source in self.sources:
            source.looked = self.now

    def freeze(self, seconds: float) -> None:
        """The machine stands still and nobody tells it so: only a look that comes much too late shows it."""
        self.now += seconds
        if self.state.look_at is not None and self.now - self.state.look_at > JUMP_SECONDS:
            self.fresh = self.now
        self.tell(None)


def bound(policy: Policy) -> float:
    """From any state, in calm: the longest time until the machine has taken every step."""
    waits = max(policy.backoff_seconds, policy.backoff_max_seconds)
    looks = policy.steps[-1].after_seconds / policy.looks_per_period + 2.0
    lost = ANSWER_SECONDS + 2 * SLEEP_CHECK_SECONDS + 1.0
    # as much again for a sleep that is noticed late, after which everything begins anew
    return 2 * (policy.steps[-1].after_seconds + policy.min_awake_seconds + waits + looks + lost + 120.0)


def reached(run: World, since: float) -> bool:
    """True if the last step was taken since then."""
    last = run.policy.steps[-1]
    return any(time >= since for time in run.times(Act, step=last)) or any(
        taken.step == last for taken in run.state.taken
    )


def some_policy(chance: random.Random) -> Policy:
    after = chance.uniform(5, 300)
    steps = []
    for number in range(chance.randrange(3)):
        action = chance.choice(["powersave", "exec"])
        steps.append(Step(after, action, 0.0, chance.choice(CONDITIONS), f"s{number}", f"/{number}"))
        after += chance.uniform(1, 300)
    steps.append(Step(after, chance.choice(["suspend", "poweroff"]), after / 4, chance.choice(CONDITIONS), "last"))
    return Policy(
        tuple(steps),
        min_awake_seconds=chance.uniform(0, 100),
        backoff_seconds=chance.uniform(1, 60),
        backoff_max_seconds=chance.uniform(60, 600),
        looks_per_period=chance.randint(1, 10),
    )


def some_sources(chance: random.Random, begin: float, end: float) -> list[Source]:
    def moments() -> list[float]:
        return [chance.uniform(begin, end) for _ in range(chance.randrange(40))]

    return [
        Source("stamp", moments()),
        Source("stamp", moments(), promises=True, name="calling stamp"),
        Source("count", moments()),
        Source("count", moments(), promises=True, name="calling count"),
        Source("hold", [(at, at + chance.expovariate(1 / 60)) for at in moments()]),
        Source("level", [(at, at + chance.uniform(700, 900)) for at in moments()[:3]]),
        Source("failing", moments()[:5]),
    ]


def some_around(chance: random.Random, begin: float, end: float) -> list[tuple[float, Surroundings]]:
    """They flip, are not known at times, and in half of the runs nobody calls; from ``end`` on everything holds."""
    calls = chance.random() < 0.5

    def known() -> bool | None:
        return chance.choice([True, False, None])

    def flipped() -> Surroundings:
        return Surroundings(known(), chance.choice([None, 5, 95]), known(), known(), calls=calls)

    flips = [(chance.uniform(begin, end), flipped()) for _ in range(chance.randrange(20))]
    return [(begin, flipped()), *flips, (end, replace(EVERYTHING, calls=calls))]


@pytest.mark.parametrize("seed", range(60))
def test_whatever_happened_before_calm_leads_to_a_nap(seed):
    """Activity of every kind, refusals, lost answers, failures, inhibitors, frozen machines, kills: then calm."""
    chance = random.Random(seed)
    policy = some_policy(chance)
    end = START + 4000
    held = sorted((at, at + chance.uniform(1, 300)) for at in [chance.uniform(START, end - 300) for _ in range(5)])
    answers = [(chance.choice([True, True, False, None]), chance.choice([0.01, 5, 59, 61])) for _ in range(30)]
    run = Chaos(
        policy,
        some_sources(chance, START, end - 300),
        answers=answers,
        actions=[chance.random() < 0.7 for _ in range(30)],
        inhibited=held,
        sleep=chance.choice([1, 50, 400]),
        around=some_around(chance, START, end - 300),
        midnight=START,
    )
    for _ in range(chance.randrange(6)):
        event = chance.choice([NapNow(), Recover(), GoingToSleep(), Resumed(3.0), Acknowledged(1), Refused(2, "late")])
        run.at(chance.uniform(START, end), event)
    upsets = sorted((chance.uniform(START, end), chance.choice(["kill", "freeze"])) for _ in range(chance.randrange(4)))
    for when, what in upsets:
        run.run(max(when, run.now))
        run.kill() if what == "kill" else run.freeze(chance.uniform(31, 86400))
    run.run(max(end, run.now))
    # what is left of the script would go on refusing: calm means that nothing does
    run.answers, run.actions = iter(()), iter(())
    calm = run.now
    run.run(calm + bound(policy))
    assert reached(run, calm - policy.steps[-1].after_seconds), f"no nap in {run.now - calm:.0f} s of calm: {run.state}"
    moves_have_causes(run)


def moves_have_causes(run: World) -> None:
    records = [effect for _time, effect in run.log if isinstance(effect, Record)]
    assert records and all(record.cause for record in records)


@pytest.mark.parametrize("seed", range(2))
def test_soak_of_thousands_of_deadlines(seed):
    """Bursts at random for weeks: each idle period longer than absent_seconds ends in a nap, on time, and no other."""
    chance = random.Random(seed)
    policy = Policy(steps=(Step(300, "suspend", 60),), min_awake_seconds=30)
    times, now = [], START
    for _ in range(1000):
        now += chance.choice([chance.uniform(0, 20), chance.uniform(0, 290), chance.expovariate(1 / 600)])
        times.append(now)
    stamps = [time for index, time in enumerate(times) if index % 2]
    holds = [(time, time + chance.uniform(0.01, 30)) for index, time in enumerate(times) if not index % 2]
    run = Chaos(policy, [Source("stamp", stamps), Source("hold", holds)], sleep=0.05).run(now + 1000)
    ends = sorted([START, *stamps, *(end for _begin, end in holds), *run.times(Announce, cause="resume")])
    naps = run.times(Act)
    late = [nap - ends[bisect_right(ends, nap) - 1] - 300 for nap in naps]
    busy = sorted([(time, time) for time in stamps] + holds + [(now + 1000, now + 1000)])
    missed, until = 0, START
    for begun, end in busy:
        if begun - until > 302:
            at = bisect_right(naps, until + 300 - 1e-6)
            missed += not (at < len(naps) and naps[at] <= until + 301)
        until = max(until, end)
    assert len(late) > 170
    assert max(late) < 0.1 and min(late) >= -1e-6
    assert missed == 0
    assert run.times(Warn) and run.times(Register)


times = st.one_of(st.floats(START - 2000, START), st.just(float("-inf")))
steps = st.builds(
    lambda first, gap, conditions, grace: (
        Step(first, "powersave", 0.0, conditions[0]),
        Step(first + gap, "suspend", grace * (first + gap), conditions[1]),
    ),
    st.floats(1, 1000),
    st.floats(1, 1000),
    st.tuples(st.sampled_from(CONDITIONS), st.sampled_from(CONDITIONS)),
    st.floats(0, 0.5),
)
arounds = st.builds(
    Surroundings,
    st.sampled_from([True, False, None]),
    st.sampled_from([None, 5.0, 95.0]),
    st.sampled_from([True, False, None]),
    st.sampled_from([True, False, None]),
    st.just(0),
    st.floats(0, 86400, exclude_max=True),
    st.booleans(),
)


@st.composite
def states(draw, policy):
    """Any state, also such as no sequence of events leads to."""
    taken = tuple(
        Taken(each, draw(st.integers(0, 9)), draw(st.floats(0, START)))
        for each in policy.steps
        if not each.sleeps and draw(st.booleans())
    )
    warned = draw(st.booleans())
    return State(
        now=draw(st.floats(0, START)),
        fresh=draw(st.floats(0, START)),
        last_active=draw(st.floats(0, START)),
        since=draw(st.floats(0, START)),
        phase=draw(st.sampled_from(Phase)),
        around=draw(arounds),
        taken=taken,
        settled=draw(st.floats(0, START + 10)),
        aim=draw(st.sampled_from([None, *policy.steps])) if not warned else draw(st.sampled_from(policy.steps)),
        warned=warned,
        nap_at=draw(st.floats(START - 100, START + 500)),
        quiet_since=draw(st.floats(0, START)),
        ask=draw(st.sampled_from(list(Ask))),
        asked_at=draw(st.floats(START - 100, START)),
        attempt=draw(st.integers(0, 9)),
        ordered=draw(st.booleans()),
        doubt=draw(st.booleans()),
        not_before=draw(times),
        retry_at=draw(st.floats(START - 1000, START + 600)),
        troubled=draw(st.sampled_from([None, *policy.steps])),
        backoff=draw(st.floats(0, 600)),
        look_at=draw(st.one_of(st.none(), st.floats(START - 100, START + 1000))),
    )


readings = st.lists(
    st.builds(
        lambda last, active, error, counts, calls: Reading(
            "m", "tcp", last, active, error=error, counts=counts, calls=calls
        ),
        st.one_of(st.none(), st.floats(0, START + 10)),
        st.booleans(),
        st.sampled_from(["", "", "cannot be read"]),
        st.booleans(),
        st.booleans(),
    ),
    max_size=3,
).map(tuple)
events = st.one_of(
    st.builds(
        Look, readings, st.sampled_from([None, (), ("inhibited",)]), st.one_of(st.none(), arounds), st.integers(0, 9)
    ),
    st.sampled_from([NapNow(), NapNow(("inhibited",)), Recover(), GoingToSleep(), Resumed(3.0)]),
    st.builds(Acknowledged, st.integers(0, 9)),
    st.builds(Refused, st.integers(0, 9), st.just("the wake server is down")),
    st.builds(ActionDone, st.integers(0, 9)),
    st.builds(ActionFailed, st.integers(0, 9), st.just("a device refused")),
)
many = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much], deadline=None)


@many
@given(data=st.data(), steps=steps, observe=st.booleans())
def test_after_every_look_there_is_a_next_one_or_somebody_has_promised_to_call(data, steps, observe):
    """In each state, whatever is seen: no state without an exit. What is no look takes no look away."""
    policy = Policy(steps, observe=observe)
    state = data.draw(states(policy))
    event = data.draw(events)
    after, effects = step(state, event, START, policy)
    if isinstance(event, Look):
        assert after.look_at is not None or promise(after, policy, event.readings), after
        assert after.look_at is None or after.look_at >= START
    elif after.look_at is None:
        assert state.look_at is None
    assert effects  # the time of the next look is always among them


@many
@given(data=st.data(), steps=steps, sleep=st.floats(0.5, 1000), count=st.booleans(), calls=st.booleans())
def test_from_every_state_calm_leads_to_a_nap(data, steps, sleep, count, calls):
    policy = Policy(steps, min_awake_seconds=100, backoff_seconds=10, backoff_max_seconds=600)
    state = data.draw(states(policy))
    source = Source("count" if count else "stamp", promises=calls)
    around = [(0.0, replace(EVERYTHING, calls=calls))]
    run = Chaos(policy, [source], sleep=sleep, around=around, midnight=START)
    run.state = replace(state, look_at=START if state.look_at is None else state.look_at)
    run.warned = state.warned
    run.applied = [taken.step for taken in state.taken]
    run.acknowledged = {state.attempt} if state.ask is Ask.ACKNOWLEDGED else set()
    run.fresh = -END  # what the state remembers is not the world's truth
    run.run(START + bound(policy))
    assert reached(run, START), run.state
