# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The action plugin powernap_conflicts, with programs that find something, nothing, or fail."""

from __future__ import annotations

import json

import pytest

FOUND = ["autosuspend runs: disable it", "TLP turns Wake-on-LAN off: set WOL_DISABLE=N"]


@pytest.fixture
def program(tmp_path):
    """Return a function that writes a program and returns its path."""

    def written(text):
        path = tmp_path / "powernap"
        path.write_text(f"#!/bin/sh\necho \"$@\" >>'{tmp_path}/words'\n{text}\n", encoding="utf-8")
        path.chmod(0o700)
        return str(path)

    return written


@pytest.fixture
def finds(program):
    def answering(*found):
        said = json.dumps({"ok": True, "conflicts": found})
        return program(f"echo '{said}'")

    return answering


def test_what_is_found_is_told_for_people_and_programs(act, finds, tmp_path):
    result = act("powernap_conflicts", program=finds(*FOUND))
    assert (result["changed"], result["conflicts"], result["msg"]) == (False, FOUND, FOUND)
    assert not result.get("failed")
    assert (tmp_path / "words").read_text(encoding="utf-8") == "conflicts --json\n"


def test_nothing_is_said_of_nothing(act, finds):
    result = act("powernap_conflicts", program=finds(), refuse=True)
    assert result["conflicts"] == [] and "msg" not in result and not result.get("failed")


@pytest.mark.parametrize("check_mode", [False, True])
def test_what_is_found_may_be_refused_in_check_mode_too(act, finds, check_mode):
    result = act("powernap_conflicts", {"check_mode": check_mode}, program=finds(*FOUND), refuse=True)
    assert result["failed"] and not result["changed"]
    assert result["msg"] == f"powernap_conflicts: web1: {FOUND[0]}; {FOUND[1]}"


def test_a_program_that_fails_is_an_error_and_no_change(act, program):
    result = act("powernap_conflicts", program=program("echo it is broken >&2; exit 3"))
    assert result["failed"] and result["changed"] is False
    assert (result["rc"], result["stderr"]) == (3, "it is broken") and "conflicts" not in result


def test_where_powernap_is_not_there_yet_a_check_finds_nothing_and_a_run_fails(act, tmp_path):
    missing = str(tmp_path / "none")
    assert act("powernap_conflicts", {"check_mode": True}, program=missing, refuse=True)["conflicts"] == []
    assert act("powernap_conflicts", program=missing)["failed"]


def test_what_is_no_option_is_refused(act):
    from ansible.errors import AnsibleActionFail

    with pytest.raises(AnsibleActionFail, match="refused"):
        act("powernap_conflicts", refused=True)
