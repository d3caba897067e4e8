# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from powernap.wake.presence.marks import Marks
from powernap.wake.presence.status import UP, Condition

CHANGES = st.lists(
    st.tuples(st.integers(1, 20), st.sampled_from([None, *Condition]), st.sampled_from(["", "rack1", "rack2"])),
    max_size=100,
)


@given(CHANGES)
def test_as_many_are_up_in_a_group_as_were_last_told_so(changes: list[tuple[int, Condition | None, str]]) -> None:
    marks, last = Marks(), dict[int, tuple[Condition | None, str]]()
    for number, condition, group in changes:
        marks.set(number, condition, group)
        last[number] = condition, group
    for group in ("", "rack1", "rack2", "never heard of"):
        assert marks.up(group) == sum(1 for condition, where in last.values() if condition in UP and where == group)
        waking = sum(1 for condition, where in last.values() if condition is Condition.WAKING and where == group)
        assert marks.waking(group) == waking
    for number, (condition, _group) in last.items():
        assert marks.condition(number) is condition
        assert marks.is_up(number) is (condition in UP)


def test_when_it_was_seen_and_by_what() -> None:
    marks = Marks()
    assert marks.seen(7) is None
    marks.see(7, 12.7, "ARP")
    assert marks.seen(7) == (12.0, "ARP") and marks.seen(8) is None


def test_more_ways_than_can_be_told_apart_are_no_way() -> None:
    marks = Marks()
    for number in range(400):
        marks.see(number, 1, f"way {number}")
    assert marks.seen(100) == (1.0, "way 100")
    assert marks.seen(399) == (1.0, "")


def test_a_million_machines_are_a_few_megabytes() -> None:
    tracemalloc.start()
    marks = Marks()
    for number in range(1, 1_000_000, 1000):
        marks.set(number, Condition.AWAKE, "rack1")
    used = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert used < 10_000_000
    assert marks.up("rack1") == 1000


@given(CHANGES, st.lists(st.tuples(st.integers(1, 20), st.sampled_from(list(Condition))), max_size=10))
def test_counts_have_each_machine_once_and_what_was_before_only_until_something_shows(
    changes: list[tuple[int, Condition | None, str]], before: list[tuple[int, Condition]]
) -> None:
    marks, last = Marks(), dict[int, Condition | None]()
    for number, condition in before:
        marks.take_over(number, condition)
        last.setdefault(number, condition)
        assert marks.condition(number) is None and not marks.is_up(number), "nobody has seen it in this run"
    for number, condition, group in changes:
        marks.set(number, condition, group)
        last[number] = condition
    for number, condition in before:
        marks.take_over(number, condition)
        if last[number] is None:
            last[number] = condition
    assert marks.counts() == {each: list(last.values()).count(each) for each in Condition}
