# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.powernap.powernap.plugins.modules.powerwake_canary import (
    Trial,
    by_kind,
    failed,
    held,
    unlinked,
)

APP, WEB = ("app", "base", "0.1.0"), ("web", "base", "0.1.0")


def host(group, wanted="not yet", mark=None, link=True, state="awake"):
    return {
        "group": group,
        "status": {
            "profile": "base",
            "version": "0.1.0",
            "state": state,
            "link": {"since": 1.0} if link else None,
            "canary_wanted": wanted,
            "canary_failed": mark,
        },
    }


class FakeSite:
    """Machines that wake, or do what ``outcomes`` says of them."""

    def __init__(self, **outcomes):
        self.outcomes = outcomes
        self.orders = []

    def order(self, names):
        self.orders.append(names)
        done = {"outcome": "done", "said": "woke after 2.0 s", "changed": True}
        return {name: dict(done, **self.outcomes.get(name, {})) for name in names}

    def ask(self, names):
        return {name: {"status": {"canary_failed": self.outcomes.get(name, {}).get("mark")}} for name in names}

    def trial(self, waiting, marked=None, tries=3):
        trial = Trial(self.ask, self.order, tries)
        trial.run(waiting, marked or {})
        return trial


def test_those_that_wait_are_found_by_kind_in_the_order_of_the_play():
    hosts = {"b": host("app"), "a": host("app"), "c": host("web"), "d": host("web", wanted="")}
    assert by_kind(hosts, ["b", "a", "c", "d", "unknown"]) == {APP: ["b", "a"], WEB: ["c"]}


def test_one_of_each_kind_is_tried_all_at_the_same_time():
    site = FakeSite()
    trial = site.trial({APP: ["app1", "app2"], WEB: ["web1"]})
    assert site.orders == [["app1", "web1"]]
    assert trial.why == {} and set(trial.tried) == {"app1", "web1"}


def test_after_one_that_did_not_wake_no_other_is_tried():
    site = FakeSite(app1={"outcome": "failed", "said": "canary failed: no sign", "mark": {"at": 1, "why": "no sign"}})
    trial = site.trial({APP: ["app1", "app2"]})
    assert site.orders == [["app1"]]
    assert trial.why[APP].startswith("app1 did not wake when that was tried (no sign)")
    assert "powerwake canary --clear app1" in trial.why[APP]
    assert trial.not_woken == {APP}


def test_where_one_cannot_be_tried_the_next_is_up_to_a_limit():
    cannot = {"outcome": "failed", "said": "this machine has no clock", "changed": False}
    site = FakeSite(app1=cannot, app2=cannot, app3=cannot)
    trial = site.trial({APP: ["app1", "app2", "app3", "app4"]}, tries=2)
    assert site.orders == [["app1"], ["app2"]]
    assert trial.why[APP] == "app2 could not be tried: failed: this machine has no clock"
    assert trial.not_woken == set()
    assert site.trial({APP: ["app1", "app4"]}).why == {}


def test_a_kind_of_which_one_bears_a_mark_is_not_tried():
    others = {"app9": host("app", mark={"at": 1, "why": "no sign"}), "web9": host("web", mark={"at": 1, "why": "x"})}
    marked = failed(others, {APP: ["app1"]})
    assert set(marked) == {APP} and "--clear app9" in marked[APP]
    site = FakeSite()
    trial = site.trial({APP: ["app1"]}, marked)
    assert trial.why == marked and trial.not_woken == {APP} and site.orders == []


def test_machines_that_never_sleep_are_not_held():
    site = FakeSite(app1={"said": "no step here is a sleep", "changed": False})
    trial = site.trial({APP: ["app1", "app2"]})
    assert site.orders == [["app1"]]
    assert held({APP: ["app1", "app2"]}, trial.why, check_mode=False) == {}


@pytest.mark.parametrize(("check_mode", "names"), [(False, {"app1"}), (True, set())])
def test_who_could_not_be_asked_is_held_but_not_foretold_so(check_mode, names):
    assert set(held({APP: ["app1"]}, {}, check_mode)) == names


def test_links_are_waited_for_of_machines_that_are_up_alone():
    hosts = {"a": host("app", link=False), "b": host("app", link=False, state="napping"), "c": host("app")}
    assert unlinked(hosts) == ["a"]
