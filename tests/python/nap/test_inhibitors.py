# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of logind's inhibitors hold a nap, under which policy."""

from __future__ import annotations

import pytest

from powernap.config.sections.inhibitors import InhibitorSettings
from powernap.machine.logind import Inhibitor
from powernap.nap.inhibitors import Inhibitions


def inhibitor(what="sleep", who="Backup", mode="block", pid=1):
    return Inhibitor(frozenset(what.split(":")), who, "copying", mode, 0, pid)


def judge(*inhibitors, action="suspend", ordered=False, now=0.0, memory=None, **settings):
    return (memory or Inhibitions()).judge(inhibitors, action, ordered, InhibitorSettings(**settings), now)


@pytest.mark.parametrize(
    ("what", "action", "ordered", "holds"),
    [
        ("sleep", "suspend", False, True),
        ("sleep", "hibernate", True, True),
        ("sleep:shutdown", "suspend-then-hibernate", False, True),
        ("sleep", "poweroff", False, False),
        ("shutdown", "poweroff", True, True),
        ("shutdown", "hybrid-sleep", False, False),
        ("idle", "suspend", False, True),
        ("idle", "poweroff", False, True),
        ("idle", "suspend", True, False),
        ("handle-lid-switch", "suspend", False, False),
    ],
)
def test_an_inhibitor_holds_what_it_forbids(what, action, ordered, holds):
    assert bool(judge(inhibitor(what), action=action, ordered=ordered).held) is holds


def test_a_delay_holds_nothing():
    assert judge(inhibitor(mode="delay"), inhibitor("idle", mode="delay")) == judge()


def test_a_weak_one_holds_only_what_nobody_ordered():
    assert judge(inhibitor(mode="block-weak")).held
    assert not judge(inhibitor(mode="block-weak"), ordered=True).held
    assert not judge(inhibitor(mode="block-weak"), weak=False).held


def test_idle_ones_can_be_left_out():
    assert not judge(inhibitor("idle"), idle=False).held
    assert judge(inhibitor("idle:sleep"), idle=False).held


@pytest.mark.parametrize(
    ("pattern", "ignored"),
    [
        ("Backup", True),
        ("Back*", True),
        ("backup", False),
        ("Backup:sleep", True),
        ("Backup:idle", False),
        ("*:sleep", True),
    ],
)
def test_owners_are_ignored_by_name_and_said_so(pattern, ignored):
    judgement = judge(inhibitor(), ignore=(pattern,))
    assert bool(judgement.held) is not ignored
    assert [sentence.endswith("(ignored: it is in inhibitors.ignore)") for sentence in judgement.ignored] == [
        True
    ] * ignored


def test_one_that_forbids_more_than_is_ignored_holds():
    assert judge(inhibitor("idle:sleep"), ignore=("Backup:idle",)).held


def test_one_that_holds_too_long_holds_no_more_and_that_is_said():
    memory = Inhibitions()
    hold = {"memory": memory, "max_hold_seconds": 100.0}
    assert judge(inhibitor(), now=1000, **hold).held
    (held,) = judge(inhibitor(), now=1099, **hold).held
    assert held.until == 1100
    assert judge(inhibitor()).held[0].until is None
    late = judge(inhibitor(), now=1100, **hold)
    assert not late.held
    assert "held for 100 s, longer than inhibitors.max_hold_seconds" in late.ignored[0]


def test_a_new_one_of_the_same_owner_begins_anew():
    memory = Inhibitions()
    hold = {"memory": memory, "max_hold_seconds": 100.0}
    judge(inhibitor(pid=1), now=1000, **hold)
    assert judge(inhibitor(pid=2), now=1200, **hold).held
    assert judge(inhibitor(pid=1), now=1250, **hold).held  # it had gone, and came again


def test_nobody_is_honoured_where_the_site_says_so():
    judgement = judge(inhibitor(), honour=False)
    assert (judgement.held, len(judgement.ignored)) == ((), 1)
