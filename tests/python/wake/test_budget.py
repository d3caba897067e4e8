# SPDX-License-Identifier: GPL-3.0-or-later
"""A wake storm takes its time, in the right order, and nobody is lost in it."""

from __future__ import annotations

import asyncio
import time

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from powernap.wake.budget import Budget, Limit
from powernap.wake.gate import Gate

NEVER = float("inf")


def drained(budget: Budget, now: float, until: float = NEVER) -> list[tuple[float, str]]:
    """(time, name) of everybody whose turn comes."""
    found = []
    for _ in range(100_000):
        name = budget.take(now)
        if name is not None:
            found.append((now, name))
            continue
        due = budget.due(now)
        if due > until or due == NEVER:
            return found
        assert due > now, "it waits for now"
        now = due
    raise AssertionError("it does not end")


def test_a_storm_of_1000_hosts_takes_its_time_and_loses_none() -> None:
    budget = Budget(300, {}, 0.0)
    names = [f"web{number}" for number in range(1000)]
    for name in names:
        budget.enter(name, "", order=False)
    turns = drained(budget, 0.0)
    assert [name for _time, name in turns] == names, "in the order in which they came"
    assert sum(time == 0 for time, _name in turns) == 30
    assert 190 <= turns[-1][0] <= 200
    for start, _name in turns:
        assert sum(start <= time < start + 60 for time, _name in turns) <= 331


def test_an_order_goes_first_then_priority_then_who_came_first() -> None:
    budget = Budget(60, {"lab": Limit(priority=-1), "prod": Limit(priority=5)}, 0.0)
    for _ in range(6):
        budget.enter("first", "", False)
        assert budget.take(0.0) == "first"
    for name, group, order in (
        ("lab1", "lab", False),
        ("lab2", "lab", True),
        ("prod1", "prod", False),
        ("none1", "", False),
        ("none2", "", False),
        ("prod2", "prod", True),
    ):
        budget.enter(name, group, order)
    assert [name for _time, name in drained(budget, 0.0)] == ["prod2", "lab2", "prod1", "none1", "none2", "lab1"]


def test_an_order_for_one_that_waits_brings_it_forward_once() -> None:
    budget = Budget(1, {}, 0.0)
    for name in ("a", "b", "c"):
        budget.enter(name, "", False)
    assert budget.take(0.0) == "a"
    budget.enter("c", "", True)
    budget.enter("c", "", False)
    assert [name for _time, name in drained(budget, 0.0)] == ["c", "b"]


def test_a_group_that_is_used_up_does_not_hold_up_another() -> None:
    budget = Budget(0, {"rack1": Limit(10), "rack2": Limit(10)}, 0.0)
    for number in range(5):
        budget.enter(f"one{number}", "rack1", False)
    budget.enter("two", "rack2", False)
    now = [name for time, name in drained(budget, 0.0, until=0.0)]
    assert now == ["one0", "two"]
    assert [round(time) for time, _name in drained(budget, 0.0)] == [6, 12, 18, 24]


def test_without_any_limit_nobody_waits() -> None:
    budget = Budget(0, {}, 0.0)
    for number in range(1000):
        budget.enter(str(number), "", False)
    assert len(drained(budget, 0.0, until=0.0)) == 1000


def test_who_leaves_has_no_turn() -> None:
    budget = Budget(6, {}, 0.0)
    for name in ("a", "b", "c"):
        budget.enter(name, "", False)
    assert budget.take(0.0) == "a"
    budget.leave("b")
    assert [name for _time, name in drained(budget, 0.0)] == ["c"]
    assert budget.due(100.0) == NEVER and len(budget) == 0


def test_what_wakes_unasked_is_paid_for_and_stops_while_tokens_are_short() -> None:
    budget = Budget(300, {}, 0.0)
    assert not budget.is_short("", 0.0)
    for _ in range(25):
        budget.charge("", 0.0)
    assert budget.is_short("", 0.0)
    assert budget.is_short("", 2.0), "half full is no plenty yet"
    assert not budget.is_short("", 4.0)
    assert not budget.is_short("", 4.1)


def test_another_limit_takes_effect_at_once_and_forgets_nobody() -> None:
    budget = Budget(1, {}, 0.0)
    for name in ("a", "b", "c"):
        budget.enter(name, "", False)
    assert budget.take(0.0) == "a"
    budget.configure(0, {}, 1.0)
    assert [name for _time, name in drained(budget, 1.0, until=1.0)] == ["b", "c"]


@given(
    st.integers(1, 600),
    st.lists(st.tuples(st.floats(0, 5), st.sampled_from(("", "a", "b")), st.booleans()), max_size=200),
    st.integers(0, 60),
)
def test_however_they_come_the_rate_holds_and_everybody_has_one_turn(
    per_minute: int, arrivals: list[tuple[float, str, bool]], of_a: int
) -> None:
    budget = Budget(per_minute, {"a": Limit(of_a, 3), "b": Limit(0, -3)}, 0.0)
    now, turns = 0.0, []
    for number, (pause, group, order) in enumerate(arrivals):
        turns += drained(budget, now, until=now + pause)
        now += pause
        budget.enter(f"{group}:{number}", group, order)
    turns += drained(budget, now)
    assert sorted(name for _time, name in turns) == sorted(f"{g}:{n}" for n, (_pause, g, _order) in enumerate(arrivals))
    times = [time for time, _name in turns]
    _holds(times, per_minute)
    if of_a:
        _holds([time for time, name in turns if name.startswith("a:")], of_a)


def _holds(times: list[float], per_minute: int) -> None:
    burst = max(1.0, per_minute / 10)
    for first in range(len(times)):
        for last in range(first, len(times)):
            allowed = burst + (times[last] - times[first]) * per_minute / 60
            assert last - first + 1 <= allowed + 1e-6


class Comings(RuleBasedStateMachine):
    """Arrivals, departures, unasked wakes and reloads in any order: the queue is what it is said to be."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.budget = Budget(30, {"rack": Limit(12, 1)}, 0.0)
        self.waiting: dict[str, tuple[str, bool]] = {}

    @rule(number=st.integers(0, 30), rack=st.booleans(), order=st.booleans())
    def comes(self, number: int, rack: bool, order: bool) -> None:
        group = "rack" if rack else ""
        name = f"{group}{number}"
        self.budget.enter(name, group, order)
        self.waiting[name] = group, order or self.waiting.get(name, ("", False))[1]

    @rule(number=st.integers(0, 30))
    def leaves(self, number: int) -> None:
        self.budget.leave(str(number))
        self.waiting.pop(str(number), None)

    @rule(rack=st.booleans())
    def wakes_unasked(self, rack: bool) -> None:
        self.budget.charge("rack" if rack else "", self.now)

    @rule(per_minute=st.integers(0, 100), of_rack=st.integers(0, 100))
    def is_configured(self, per_minute: int, of_rack: int) -> None:
        self.budget.configure(per_minute, {"rack": Limit(of_rack, 1)}, self.now)

    @rule(seconds=st.floats(0, 30))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def one_is_taken(self) -> None:
        name = self.budget.take(self.now)
        if name is None:
            assert self.budget.due(self.now) > self.now
            return
        group, order = self.waiting.pop(name)
        assert order or not any(other for other_group, other in self.waiting.values() if other_group == group), (
            "an order of its group waits behind demand"
        )

    @invariant()
    def nobody_is_lost(self) -> None:
        assert len(self.budget) == len(self.waiting)
        assert all(name in self.budget for name in self.waiting)

    def teardown(self) -> None:
        assert {name for _time, name in drained(self.budget, self.now)} == set(self.waiting)


TestComings = Comings.TestCase


# The gate, with a real event loop


def test_the_gate_postpones_and_gives_each_its_turn() -> None:
    postponed, turns, changes = [], [], []

    def turn(name: str) -> bool:
        turns.append(name)
        return name != "awake by itself"

    async def play() -> tuple[frozenset[str], bool]:
        gate = Gate(time.monotonic, postponed.append, turn, 600, {}, lambda: changes.append(set(gate.short)))
        assert not gate.short
        admitted = [gate.admit(f"web{number}", "", False) for number in range(60)]
        assert admitted == [True] * 60 and gate.waiting == 0
        assert not gate.admit("late", "", False)
        assert not gate.admit("gone", "", False)
        assert not gate.admit("awake by itself", "", False)
        assert not gate.admit("ordered", "", False)
        gate.hurry("ordered")
        gate.leave("gone")
        assert postponed == [], "never from within"
        short = gate.short
        assert gate.admit("fired", "", False, fired=True)
        for _ in range(100):
            await asyncio.sleep(0.05)
            if len(turns) == 3:
                break
        gate.close()
        return short, gate.waits("late")

    assert asyncio.run(play()) == ({""}, False)
    assert postponed == ["late", "awake by itself", "ordered"]
    assert turns == ["ordered", "late", "awake by itself"]
    assert changes == [{""}]


def test_who_is_taken_by_anothers_coming_is_postponed_first_and_then_has_its_turn() -> None:
    told: list[tuple[str, str]] = []
    now = [0.0]

    async def play() -> None:
        def turn(name: str) -> bool:
            told.append(("turn", name))
            return True

        gate = Gate(lambda: now[0], lambda name: told.append(("postponed", name)), turn, 10, {})
        assert gate.admit("first", "", False)
        assert not gate.admit("second", "", False)
        now[0] = 7.0
        assert not gate.admit("third", "", False)
        await asyncio.sleep(0.01)
        assert not gate.waits("second") and gate.waits("third")
        gate.close()

    asyncio.run(play())
    assert told == [("postponed", "second"), ("turn", "second"), ("postponed", "third")]


def test_which_groups_are_short_of_tokens_is_told_when_it_changes() -> None:
    now = [0.0]

    async def play() -> list[set[str]]:
        told: list[set[str]] = []
        groups = {"rack1": Limit(60), "rack2": Limit(0)}
        gate = Gate(
            lambda: now[0],
            lambda name: None,
            lambda name: True,
            0,
            groups,
            lambda: told.append(set(gate.short)),
        )
        for number in range(5):
            gate.admit(f"web{number}", "rack1", False, fired=True)
            gate.admit(f"db{number}", "rack2", False, fired=True)
        now[0] = 30.0
        for _ in range(100):
            await asyncio.sleep(0.05)
            if len(told) == 2:
                break
        gate.close()
        return told

    assert asyncio.run(play()) == [{"rack1"}, set()]
