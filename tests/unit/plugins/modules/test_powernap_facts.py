# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module powernap_facts, on the machine that runs the tests."""

from __future__ import annotations

import pytest
from ansible_collections.powernap.powernap.plugins.modules import powernap_facts


def test_never_fails_and_changes_nothing(run):
    result = run(powernap_facts.main, check=True)
    assert result["changed"] is False
    facts = result["ansible_facts"]["powernap"]
    assert facts["virtualization"]["kind"] in ("none", "vm", "container")
    assert facts["cpus"] >= 1
    assert isinstance(facts["battery"], bool)
    assert isinstance(facts["timers"], list)


@pytest.mark.parametrize(("subset", "there"), [(["sleep"], "sleep_states"), (["ports", "hardware"], "listeners")])
def test_gathers_only_what_it_is_asked_for(run, subset, there):
    facts = run(powernap_facts.main, gather_subset=subset)["ansible_facts"]["powernap"]
    assert there in facts and "virtualization" not in facts and "unreadable" in facts


def test_all_is_all_whatever_else_is_named(run):
    everything = run(powernap_facts.main)["ansible_facts"]["powernap"]
    asked = run(powernap_facts.main, gather_subset=["sleep", "all"])["ansible_facts"]["powernap"]
    assert sorted(asked) == sorted(everything)


def test_a_subset_that_does_not_exist_is_refused(run):
    assert "gather_subset" in run(powernap_facts.main, gather_subset=["network"])["msg"]
