# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is let go when many ask at once, change their minds, and are seen late: whatever the order, enough stay."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from powernap.config.wake import WakeConfig, load_wake
from powernap.wake.orders.keeper import LEAVE_SECONDS, Keeper, NotNow
from powernap.wake.presence import Condition
from powernap.wake.presence.marks import Marks

MACHINES = 5
NUMBERS = st.integers(1, MACHINES)


def config(text: str, directory: Path) -> WakeConfig:
    path = directory / "powerwaked.toml"
    path.write_text(text)
    return load_wake(path)


class Site:
    """A keeper, and marks of who is up as presence keeps them."""

    def __init__(self, wanted: WakeConfig, group: str = "web") -> None:
        self.now, self.group = 1000.0, group
        self.marks, self.failed = Marks(), dict[str, str]()
        self.settled = True
        self.keeper = Keeper(
            wanted,
            self.marks.up,
            self.marks.waking,
            self.marks.is_up,
            lambda group: MACHINES,
            lambda name: self.failed.get(name, ""),
            lambda: self.settled,
            lambda: self.now,
        )

    def seen(self, number: int, condition: Condition, group: str = "") -> None:
        self.marks.set(number, condition, group or self.group)
        self.keeper.changed(f"web{number}", group or self.group, condition)

    def asks(self, number: int, group: str = "") -> bool:
        try:
            self.keeper.let_go(f"web{number}", number, group or self.group)
        except NotNow:
            return False
        return True


class Races(RuleBasedStateMachine):
    """`down`: those that do sleep, whether it was seen or not; only who was let go, and still is, goes."""

    keep = 2

    def __init__(self) -> None:
        super().__init__()
        self.site = Site(RACES)
        self.let_go: dict[int, float] = {}
        self.down: set[int] = set()
        for number in range(1, MACHINES + 1):
            self.site.seen(number, Condition.AWAKE)

    @rule(number=NUMBERS)
    def asks(self, number: int) -> None:
        if number not in self.down and self.site.asks(number):
            self.let_go.setdefault(number, self.site.now)

    @rule(number=NUMBERS)
    def goes_to_sleep(self, number: int) -> None:
        """Its registration is on disk: it is seen at once."""
        if number in self.let_go and self.site.now < self.let_go[number] + LEAVE_SECONDS:
            self.down.add(number)
            del self.let_go[number]
            self.site.seen(number, Condition.NAPPING)

    @rule(number=NUMBERS, condition=st.sampled_from([Condition.WARNED, Condition.POWERSAVE, Condition.AWAKE]))
    def says_what_it_is(self, number: int, condition: Condition) -> None:
        """One that was let go warns its users first, and is on its way all the same."""
        if number not in self.down:
            self.site.seen(number, condition)

    @rule(number=NUMBERS)
    def changes_its_mind(self, number: int) -> None:
        if number in self.let_go:
            del self.let_go[number]
            self.site.keeper.give_back(f"web{number}")

    @rule(number=NUMBERS)
    def wakes(self, number: int) -> None:
        if number in self.down:
            self.down.discard(number)
            self.site.seen(number, Condition.WAKING)
            self.site.seen(number, Condition.AWAKE)

    @rule(number=NUMBERS)
    def never_fell_silent(self, number: int) -> None:
        if number in self.down:
            self.down.discard(number)
            self.site.seen(number, Condition.AWAKE)

    @rule(seconds=st.floats(0, LEAVE_SECONDS))
    def time_passes(self, seconds: float) -> None:
        self.site.now += seconds
        for number in [number for number, at in self.let_go.items() if self.site.now >= at + LEAVE_SECONDS]:
            del self.let_go[number]

    @invariant()
    def enough_stay(self) -> None:
        assert MACHINES - len(self.down) - len(self.let_go) >= self.keep


@pytest.fixture(scope="module", autouse=True)
def _races(tmp_path_factory: pytest.TempPathFactory) -> None:
    global RACES
    RACES = config("[groups.web]\nkeep_awake = 2\n", tmp_path_factory.mktemp("races"))


RACES: WakeConfig


def test_enough_stay_whatever_the_order_of_things() -> None:
    from hypothesis.stateful import run_state_machine_as_test

    run_state_machine_as_test(Races, settings=settings(max_examples=200, stateful_step_count=40, deadline=None))


def test_of_two_that_ask_at_once_one_goes_where_one_has_to_stay(tmp_path: Path) -> None:
    site = Site(config("[groups.web]\nkeep_awake = 1\n", tmp_path))
    site.seen(1, Condition.AWAKE)
    site.seen(2, Condition.AWAKE)
    assert [site.asks(1), site.asks(2)] == [True, False]
    site.keeper.give_back("web1")  # its registration could not be written
    assert site.asks(2) and not site.asks(1)


def test_who_was_ordered_to_nap_is_not_asked_to_justify_its_registration(tmp_path: Path) -> None:
    site = Site(config("[groups.web]\nkeep_awake = 1\nnaps_per_minute = 1\n", tmp_path))
    site.seen(1, Condition.AWAKE)
    site.seen(2, Condition.AWAKE)
    assert site.asks(1) and site.asks(1)


def test_whoever_was_not_seen_in_this_run_does_not_count_as_awake(tmp_path: Path) -> None:
    site = Site(config("[groups.web]\nkeep_awake = 1\n", tmp_path))
    site.seen(1, Condition.AWAKE)
    assert not site.asks(1)  # web2 to web5 may be up, but nobody has seen them


def test_a_dry_run_counts_those_before_and_changes_nothing(tmp_path: Path) -> None:
    site = Site(config("[groups.web]\nkeep_awake = 3\nnaps_per_minute = 10\n", tmp_path))
    for number in range(1, MACHINES + 1):
        site.seen(number, Condition.AWAKE)
    trial = site.keeper.trial()
    trial.let_go("web1", 1, "web")
    with pytest.raises(NotNow, match="a minute"):
        trial.let_go("web2", 2, "web")
    assert site.asks(1)


def test_naps_have_a_rate(tmp_path: Path) -> None:
    site = Site(config("[groups.web]\nnaps_per_minute = 20\n", tmp_path))
    assert [site.asks(number) for number in (1, 2, 3)] == [True, True, False]


def test_whom_others_need_stays_while_one_of_them_is_awake(tmp_path: Path) -> None:
    site = Site(config('[groups.app]\nneeds = ["web1"]\n', tmp_path), group="")
    site.seen(1, Condition.AWAKE)
    site.seen(4, Condition.AWAKE, "app")
    assert not site.asks(1)
    site.seen(4, Condition.NAPPING, "app")
    site.seen(4, Condition.WAKING, "app")
    assert not site.asks(1)
    site.seen(4, Condition.NAPPING, "app")
    assert site.asks(1)


def test_while_nobody_knows_who_is_awake_whom_others_need_stays(tmp_path: Path) -> None:
    site = Site(config('[groups.app]\nneeds = ["web1"]\n', tmp_path), group="")
    site.settled = False
    assert not site.asks(1) and site.asks(2)


def test_a_failed_canary_counts_unless_the_site_says_otherwise(tmp_path: Path) -> None:
    site = Site(config("", tmp_path))
    site.failed["web1"] = "did not wake"
    assert not site.asks(1)
    site.keeper.configure(config("[policy]\nproven = false\n", tmp_path))
    assert site.asks(1)


def test_a_rate_keeps_its_tokens_over_a_reload(tmp_path: Path) -> None:
    wanted = config("[groups.web]\nnaps_per_minute = 10\n", tmp_path)
    site = Site(wanted)
    assert site.asks(1)
    site.keeper.configure(wanted)
    assert not site.asks(2)


def test_a_canary_is_let_go_where_its_kind_is_not_proven_and_nobody_else(tmp_path: Path) -> None:
    site = Site(config("", tmp_path))
    site.keeper.unproven = lambda number, group: "" if group == "db" else f"nobody of {group} has proven that it wakes"
    assert not site.asks(1)
    site.keeper.let_go("web2", 2, "web", canary=True)
    assert site.asks(3, "db")
    site.failed["web1"] = "did not wake"
    with pytest.raises(NotNow, match="--clear web1"):
        site.keeper.let_go("web1", 1, "web", canary=True)
