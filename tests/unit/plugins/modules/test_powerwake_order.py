# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.powernap.powernap.plugins.module_utils._orders import complaint, give
from ansible_collections.powernap.powernap.plugins.module_utils.shared.errors import BadValue
from ansible_collections.powernap.powernap.plugins.modules import powerwake_order
from ansible_collections.powernap.powernap.plugins.modules.powerwake_order import request, without_unknown

NOTHING = dict.fromkeys(
    ("names", "group", "state", "match", "action", "seconds", "reason", "profile", "rate", "at_once")
)
DEFAULTS = dict(NOTHING, all=False, wake=False, timeout=120, wait=True)


def params(**given):
    return dict(DEFAULTS, **given)


def test_an_order_is_written_as_the_api_takes_it():
    body = request(params(verb="inhibit", names=["web1"], seconds=60.0, reason="backup", rate=20, wake=True), False)
    assert body == {
        "verb": "inhibit",
        "arguments": {"seconds": 60.0, "reason": "backup"},
        "hosts": ["web1"],
        "all": False,
        "wake": True,
        "dry_run": False,
        "timeout_seconds": 120,
        "per_minute": 20,
    }


def test_an_empty_profile_is_said_and_an_empty_group_too():
    body = request(params(verb="profile", profile="", group=""), True)
    assert body["arguments"] == {"name": ""} and body["group"] == "" and body["dry_run"]


@pytest.mark.parametrize(("verb", "option"), [("nap", "reason"), ("wake", "seconds"), ("inhibit", "profile")])
def test_an_option_of_another_order_is_refused_by_its_name(verb, option):
    with pytest.raises(BadValue, match=f"^{option}: leave it out, as the order {verb}"):
        request(params(verb=verb, **{option: "x"}), False)


def results(**outcomes):
    return {"results": {name: dict({"said": "", "result": {}}, **each) for name, each in outcomes.items()}}


def test_those_that_did_not_do_it_are_named_with_their_reasons():
    order = results(a={"outcome": "done"}, b={"outcome": "refused", "said": "not now"}, c={"outcome": "failed"})
    assert complaint(order) == "b: refused: not now; c: failed"
    many = results(**{f"m{number}": {"outcome": "failed"} for number in range(9)})
    assert complaint(many).endswith("m4: failed (and 4 more)")


def test_those_that_are_not_registered_may_be_left_out():
    order = results(a={"outcome": "done"}, b={"outcome": "failed", "result": {"problem": "not-found"}})
    order["counts"] = {"done": 1, "failed": 1}
    known = without_unknown(order)
    assert list(known["results"]) == ["a"] and known["counts"] == {"done": 1}


class FakeServer:
    timeout = 10.0

    def __init__(self, looks):
        self.looks = looks
        self.asked = []

    def post(self, path, body):
        self.asked.append((path, body["wait_seconds"]))
        return {"id": "1", "ended": None}

    def get(self, path, **query):
        self.asked.append((path, query["wait_seconds"]))
        self.looks -= 1
        return {"id": "1", "ended": None if self.looks else 5.0}


def test_the_end_of_an_order_is_waited_for_by_the_wake_server():
    server = FakeServer(looks=3)
    assert give(server, {"verb": "nap"})["ended"] == 5.0
    assert len(server.asked) == 4 and all(seconds > 0 for _path, seconds in server.asked)
    assert server.timeout > server.asked[0][1]


def test_an_order_for_no_names_is_for_nobody(run):
    assert run(powerwake_order.main, verb="nap", names=[], socket="/nowhere")["hosts"] == {}


def test_an_order_must_be_for_somebody(run):
    assert "names" in run(powerwake_order.main, verb="nap")["msg"]
