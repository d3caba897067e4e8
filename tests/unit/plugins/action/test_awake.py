# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The action plugin awake for a host whose connection is local, with a fake powerwaked on a real socket."""

from __future__ import annotations

import pytest
from ansible_collections.powernap.powernap.plugins.plugin_utils._holds import Holds

AWAY = "/nowhere/admin.sock"


@pytest.fixture
def awake(act, fake_server):
    def run_awake(keywords=None, variables=None, **arguments):
        return act("awake", keywords, variables, **dict({"socket": fake_server.socket}, **arguments))

    return run_awake


@pytest.fixture
def holds(tmp_path):
    """What the run has noted that it holds, as (host, reason)."""
    return lambda: [(hold["name"], hold["reason"]) for hold in Holds(tmp_path).all()]


def verbs(fake_server):
    return [call[2]["verb"] for call in fake_server.changes()]


def test_a_host_that_sleeps_is_woken_and_one_that_is_awake_is_no_change(awake, fake_server):
    fake_server.add("web1", "proxied")
    first = awake(hold=0)
    assert (first["changed"], first["was"], first["state"], first["name"]) == (True, "asleep", "awake", "web1")
    assert first["magic_packets"] == 2 and first["tries"] == 1 and first["seconds"] >= 0
    again = awake(hold=0)
    assert (again["changed"], again["was"], again["magic_packets"]) == (False, "awake", 0)
    assert verbs(fake_server) == ["wake", "wake"]


def test_it_is_held_for_a_reason_that_names_the_play_and_let_go_once(awake, fake_server, holds):
    fake_server.add("web1", lease=True)
    held = awake(variables={"ansible_play_name": "Work"}, hold=600)
    assert (held["held"], held["hold"]) == (True, 600) and held["reason"].startswith("play Work of ")
    assert holds() == [("web1", held["reason"])]
    foretold = awake({"check_mode": True}, state="released")
    assert foretold["changed"] and len(holds()) == 1
    assert awake(state="released") == {"name": "web1", "changed": True, "state": "released"}
    assert not awake(state="released")["changed"] and holds() == []
    assert verbs(fake_server) == ["inhibit", "release"]
    assert fake_server.changes()[1][2]["arguments"] == {"reason": held["reason"]}


def test_a_hold_that_does_not_come_about_leaves_the_one_before(awake, fake_server, holds):
    fake_server.add("web1", lease=True)
    awake(reason="an upgrade")
    fake_server.refused["web1"] = "seconds: too many"
    told = awake(reason="a dream")
    assert (told["held"], told["not_held"]) == (False, "seconds: too many")
    assert not awake(reason="an upgrade")["held"]
    assert holds() == [("web1", "an upgrade")]


def test_a_host_without_an_open_link_is_not_held_and_that_is_said(awake, fake_server, holds):
    fake_server.add("web1")
    told = awake()
    assert not told.get("failed") and not told["held"] and "hold" not in told and "reason" not in told
    assert told["not_held"] and holds() == []


@pytest.mark.parametrize(
    ("option", "value"), [("hold", -1), ("hold", 40 * 86400), ("timeout", 0), ("queue", -1), ("rate", 0)]
)
def test_what_cannot_be_is_refused_by_its_option_and_nothing_is_held(awake, fake_server, holds, option, value):
    fake_server.add("web1")
    told = awake(**{option: value})
    assert told["failed"] and told["msg"].startswith(option + ": ")
    assert fake_server.changes() == [] and holds() == []


def test_who_sleeps_is_left_out_by_the_option_or_by_the_variable(awake, fake_server):
    fake_server.add("web1", "proxied")
    check = {"check_mode": True}
    for given in ({"skip_asleep": True}, {"variables": {"powernap_skip_asleep": "yes"}}):
        told = awake(check, **given)
        assert told["skipped"] and not told["changed"] and told["skip_reason"] == "web1 is asleep"
    assert awake(check, variables={"powernap_skip_asleep": True}, skip_asleep=False)["changed"]
    assert fake_server.changes() == []


def test_check_mode_says_whom_it_would_wake_and_hold(awake, fake_server, holds):
    fake_server.add("web1", "proxied")
    told = awake({"check_mode": True})
    assert (told["changed"], told["was"], told["held"], told["magic_packets"]) == (True, "asleep", True, 0)
    assert awake({"check_mode": True}, hold=0)["held"] is False
    assert fake_server.changes() == [] and holds() == []


def test_a_host_that_nobody_knows_is_refused_or_only_waited_for(awake, holds):
    for check in (False, True):
        told = awake({"check_mode": check}, name="web9")
        assert told["failed"] and told["msg"].startswith("the wake server knows no host web9: register it")
        told = awake({"check_mode": check}, name="web9", unknown="wait")
        assert (told["was"], told["state"], told["changed"]) == ("unknown", "awake", False)
    assert holds() == []


def test_without_the_wake_server_a_host_that_can_be_reached_is_worked_with(act):
    told = act("awake", socket=AWAY)
    assert (told["changed"], told["was"], told["held"]) == (False, "unknown", False)
    assert "there is no wake server on this machine" in told["not_held"]


def test_without_the_wake_server_one_that_cannot_be_reached_fails_or_is_left_out(act):
    # Its shell says nothing.
    silent = {"ansible_shell_executable": "/bin/true"}
    told = act("awake", None, silent, socket=AWAY)
    assert told["failed"] and "and web1 cannot be reached without it: its shell ended with status 0" in told["msg"]
    told = act("awake", None, silent, socket=AWAY, skip_asleep=True)
    assert told["skipped"] and told["skip_reason"].startswith("web1 does not answer (")


def test_a_connection_that_does_not_work_is_told_with_its_last_error(awake, fake_server):
    fake_server.add("web1", "proxied")
    told = awake(variables={"ansible_shell_executable": "/bin/false"}, hold=0, timeout=1)
    assert told["failed"] and "web1 is awake, but its connection does not work after" in told["msg"]
    assert told["msg"].endswith("its shell ended with status 1")


def test_one_order_is_for_all_of_the_batch_unless_the_task_may_not_be(awake, fake_server):
    batch = {"ansible_play_batch": ["web1", "web2"]}
    for name in ("web1", "web2"):
        fake_server.add(name, "proxied")
    awake(variables=batch, hold=0)
    awake(variables=batch, hold=0, ahead=False)
    awake({"when": "true"}, variables=batch, hold=0)
    assert [call[2]["hosts"] for call in fake_server.changes()] == [["web1", "web2"], ["web1"], ["web1"]]
