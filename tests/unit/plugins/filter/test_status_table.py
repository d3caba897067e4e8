# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.powernap.powernap.plugins.filter.status_table import status_table

NOW = 1_000_000.0


def host(name, **status):
    told = {
        "state": "awake",
        "since": NOW - 200,
        "why": "its link is open",
        "evidence": "open link",
        "evidence_at": NOW,
        "profile": "web-server",
        "link": {"since": NOW - 200},
        "last_nap": None,
        "canary_failed": None,
        "canary_wanted": "",
    }
    return {"name": name, "group": "", "status": dict(told, **status)}


def test_each_machine_has_a_line_in_the_order_of_names_and_columns_are_aligned():
    lines = status_table([host("web10"), host("db1", state="napping", evidence="silence", link=None)], NOW)
    assert [line.split()[0] for line in lines] == ["NAME", "db1", "web10"]
    assert len({lines[number].index(word) for number, word in enumerate(("STATE", "napping", "awake"))}) == 1
    assert "silence, 0 s ago" in lines[1] and "3 min" in lines[2]


def test_the_last_nap_is_told_with_its_length_where_it_is_over():
    nap = {"began": NOW - 7200, "action": "suspend", "why": "", "ended": NOW - 3600, "seconds": 3600.0, "ended_by": "x"}
    assert "2 h ago, suspend for 1 h" in status_table([host("web1", last_nap=nap)], NOW)[1]
    going_on = dict(nap, ended=None, seconds=None)
    assert "2 h ago, suspend  " in status_table([host("web1", last_nap=going_on)], NOW)[1]


def test_what_keeps_a_machine_from_napping_is_told():
    assert status_table([host("web1", canary_wanted="no machine of group web")], NOW)[1].endswith(
        "its link is open; no machine of group web"
    )
    failed = {"at": NOW, "why": "no sign"}
    assert status_table([host("web1", canary_failed=failed)], NOW)[1].endswith("canary failed: no sign")


def test_who_is_not_registered_has_a_line():
    assert status_table([], NOW, ["web3"])[1].split() == ["web3", "not", "registered", *"-----"]
