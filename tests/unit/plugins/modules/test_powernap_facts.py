# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module powernap_facts, on the machine that runs the tests."""

from __future__ import annotations

from ansible_collections.powernap.powernap.plugins.modules import powernap_facts


def test_never_fails_and_changes_nothing(run):
    result = run(powernap_facts.main, check=True)
    assert result["changed"] is False
    facts = result["ansible_facts"]["powernap"]
    assert facts["virtualization"]["kind"] in ("none", "vm", "container")
    assert facts["cpus"] >= 1
    assert isinstance(facts["battery"], bool)
