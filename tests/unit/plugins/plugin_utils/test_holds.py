# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What forks of one run know together."""

from __future__ import annotations

import multiprocessing
import stat

from ansible_collections.powernap.powernap.plugins.plugin_utils._holds import Holds, together

FAR = {"delegate": "wake1", "become": True, "options": {}}
NEAR = {"options": {"server": "https://wake1:20709", "token": "secret"}}


def _fork(folder, answers):
    answers.put(Holds(folder).reason("Work"))


def test_all_forks_give_one_reason_and_another_run_gives_another(tmp_path):
    answers = multiprocessing.get_context("fork").Queue()
    forks = [multiprocessing.get_context("fork").Process(target=_fork, args=(tmp_path, answers)) for _nth in range(4)]
    for fork in forks:
        fork.start()
    found = {answers.get(timeout=30) for _fork in forks}
    for fork in forks:
        fork.join(30)
    assert len(found) == 1 and found.pop().startswith("play Work of ")
    (tmp_path / "other").mkdir()
    assert Holds(tmp_path / "other").reason("Work") != Holds(tmp_path).reason("Work")


def test_an_order_is_found_by_what_it_is_about(tmp_path):
    holds = Holds(tmp_path)
    with holds.locked("task 1"):
        assert holds.order("task 1") is None
        holds.ordered("task 1", "ab12")
    assert Holds(tmp_path).order("task 1") == "ab12" and holds.order("task 2") is None


def test_what_is_held_is_released_once_and_together(tmp_path):
    holds = Holds(tmp_path)
    assert holds.all() == []
    for name, way in (("web1", NEAR), ("web2", NEAR), ("web2", FAR), ("web1", NEAR)):
        holds.held(name, "play Work", way, "task 1")
    assert sorted((way.get("delegate", ""), reason, sorted(names)) for way, reason, names in together(holds.all())) == [
        ("", "play Work", ["web1", "web2"]),
        ("wake1", "play Work", ["web2"]),
    ]
    holds.released("web2", "play Work", NEAR)
    holds.released("web2", "play Work", NEAR)
    assert sorted((hold["name"], "delegate" in hold["way"]) for hold in holds.all()) == [
        ("web1", False),
        ("web2", True),
    ]


def test_what_a_later_task_cannot_hold_an_earlier_one_goes_on_to(tmp_path):
    holds = Holds(tmp_path)
    for reason, task in (("play Work", "task 1"), ("play Work", "task 2"), ("a dream", "task 2")):
        holds.held("web1", reason, NEAR, task)
    for reason in ("play Work", "a dream"):
        holds.not_held("web1", reason, NEAR, "task 2")
    assert [hold["reason"] for hold in holds.all()] == ["play Work"]
    holds.not_held("web1", "play Work", NEAR, "task 1")
    assert holds.all() == []


def test_nobody_else_can_read_a_token(tmp_path):
    holds = Holds(tmp_path)
    holds.held("web1", "play Work", NEAR, "task 1")
    assert stat.S_IMODE(holds.folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in holds.folder.iterdir()} == {0o600}
