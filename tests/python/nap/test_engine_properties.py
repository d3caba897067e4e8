# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine under any interleaving.

What must never happen is asserted by the simulated world as it runs (conftest.py): a nap before the idle time is over,
a sleep without acknowledgement or against an inhibitor, a second warning, an undo of what is not in effect.
"""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from powernap.nap.events import (
    Acknowledged,
    Act,
    GoingToSleep,
    NapNow,
    Recover,
    Refused,
    Resumed,
)
from powernap.nap.policy import Policy, Step
from powernap.nap.state import Ask, Phase

START = 1000.0
END = 3000.0

moments = st.lists(st.floats(START, END), max_size=12).map(sorted)
spans = st.lists(st.tuples(st.floats(START, END), st.floats(0.001, 900)), max_size=4).map(
    lambda pairs: [(begin, begin + length) for begin, length in sorted(pairs)]
)
policies = st.builds(
    lambda absent, grace, stage2, action, waits, looks, observe: Policy(
        steps=(Step(absent, "powersave"), Step(absent + stage2, "suspend", stage2 / 4))
        if action == "both"
        else (Step(absent, action, 0 if action == "powersave" else min(grace, absent / 2)),),
        min_awake_seconds=waits[0],
        backoff_seconds=waits[1],
        backoff_max_seconds=waits[1] * 8,
        looks_per_period=looks,
        observe=observe,
    ),
    st.floats(10, 600),
    st.floats(0, 120),
    st.floats(10, 900),
    st.sampled_from(["suspend", "powersave", "poweroff", "both"]),
    st.tuples(st.floats(0, 300), st.floats(1, 300)),
    st.integers(1, 20),
    st.sampled_from([False, False, False, True]),
)
orders = st.lists(
    st.tuples(
        st.floats(START, END),
        st.sampled_from(
            [NapNow(), Recover(), GoingToSleep(), Resumed(3.0), Acknowledged(1), Refused(1, "late"), Acknowledged(99)]
        ),
    ),
    max_size=5,
)
answers = st.lists(st.tuples(st.booleans(), st.floats(0, 100)), max_size=8)
many = settings(suppress_health_check=[HealthCheck.too_slow])


def build(world, source, policy, stamps, counts, holds, armed, **more):
    sources = [source("stamp", stamps), source("count", counts, armed=armed), source("hold", holds)]
    return world(policy, sources, **more)


@many
@given(
    policy=policies,
    stamps=moments,
    counts=moments,
    holds=spans,
    armed=st.booleans(),
    answers=answers,
    actions=st.lists(st.booleans(), max_size=6),
    inhibited=spans,
    orders=orders,
    sleep=st.floats(0.1, 2000),
)
def test_nothing_forbidden_ever_happens(
    world, source, policy, stamps, counts, holds, armed, answers, actions, inhibited, orders, sleep
):
    run = build(
        world, source, policy, stamps, counts, holds, armed,
        answers=answers, actions=actions, inhibited=inhibited, sleep=sleep,
    )  # fmt: skip
    for when, event in orders:
        if not isinstance(event, Acknowledged) or event.attempt == 99:
            run.at(when, event)
    run.run(END + 2500)
    if run.state.phase is not Phase.ASLEEP and run.state.ask is Ask.NO:
        assert not run.owes_announcement, "the wake server still believes that this machine sleeps"
        assert run.warned == run.state.warned
        assert len(run.applied) == (0 if policy.observe else run.state.depth)


@many
@given(policy=policies.filter(lambda p: not p.observe), stamps=moments, holds=spans)
def test_a_source_that_keeps_time_naps_on_time(world, source, policy, stamps, holds):
    """That it is not too early is asserted by the world; here: nor too late, counted from the last disturbance."""
    run = world(policy, [source("stamp", stamps), source("hold", holds)], sleep=1e9)
    last = max([START, *stamps, *(end for _begin, end in holds)])
    run.run(last + policy.steps[0].after_seconds + 2)
    acts = [time for time in run.times(Act) if time >= last]
    slept = run.state.phase is Phase.ASLEEP or run.state.depth
    assert slept or acts
    if acts:
        assert acts[0] <= last + policy.steps[0].after_seconds + 0.1


@many
@given(policy=policies.filter(lambda p: not p.observe), counts=moments, armed=st.booleans())
def test_a_source_that_only_counts_naps_late_by_at_most_one_look(world, source, policy, counts, armed):
    run = world(policy, [source("count", counts, armed=armed)], sleep=1e9)
    last = max([START, *counts])
    absent = policy.steps[0].after_seconds
    run.run(last + absent + max(absent / policy.looks_per_period, 2.0) + 2)
    assert run.state.phase is Phase.ASLEEP or run.state.depth


@many
@given(policy=policies, jumps=st.lists(st.tuples(st.floats(0.1, 400), st.floats(-1e6, 1e6)), max_size=10))
def test_no_clock_makes_it_nap_early(world, source, policy, jumps):
    """The clock runs truly for a while, then jumps; a nap needs absent_seconds of true running time since the jump."""
    run = world(policy, [source("stamp")], sleep=1e9)
    for true, jump in jumps:
        begun, acts = run.now, len(run.times(Act))
        run.run(run.now + true)
        new = [time for time in run.times(Act)[acts:] if time >= begun]
        if run.state.ask is Ask.ACTING or run.state.depth:
            return
        assert not new
        if abs(jump) > 31:
            run._pending.clear()
            run.now += jump
            seen, look_at = run.state.now, run.state.look_at
            run.tell(None)
            if run.now < seen or (look_at is not None and run.now - look_at > 31):
                run.fresh = run.now
