# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the action plugin awake says to a wake server and makes of its answers."""

from __future__ import annotations

import pytest
from ansible_collections.powernap.powernap.plugins.module_utils._awake import (
    SPEC,
    check,
    order_body,
    part_of,
    read,
    talk,
    was,
    with_part,
    work,
)
from ansible_collections.powernap.powernap.plugins.module_utils.shared.errors import BadValue, Refused


def params(**given):
    options = {name: option.get("default") for name, option in SPEC.items()}
    return with_part(dict(options, **dict({"name": "web1", "reason": "play Work, run 1"}, **given)))


class FakeServer:
    """Answers what it was given, and keeps what it was asked."""

    def __init__(self, *answers):
        self.answers, self.asked, self.timeout = list(answers), [], 10.0

    def post(self, path, body, timeout=None):
        return self._next("POST", path, body, timeout)

    def get(self, path, **query):
        return self._next("GET", path, query, self.timeout)

    def _next(self, *asked):
        self.asked.append(asked)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def result(outcome, said="", **told):
    return {"outcome": outcome, "said": said, "seconds": 1.0, "result": told}


def test_one_order_wakes_and_holds_and_leaves_the_pace_to_the_wake_server():
    body = order_body(params(hold=600, timeout=90, queue=1800), ["web1", "web2"])
    assert body["verb"] == "inhibit" and body["wake"] is True and body["hosts"] == ["web1", "web2"]
    assert body["arguments"] == {"seconds": 600, "reason": "play Work, run 1"}
    assert (body["timeout_seconds"], body["queue_seconds"]) == (90, 1800)
    assert body["per_minute"] >= 60000 and body["at_once"] == 10000
    assert order_body(params(rate=6), ["web1"])["per_minute"] == 6


def test_skipping_wakes_nobody_and_without_a_hold_it_only_wakes():
    assert order_body(params(skip_asleep=True), ["web1"])["wake"] is False
    assert order_body(params(hold=0), ["web1"])["verb"] == "wake"
    asked = order_body(params(hold=0, skip_asleep=True), ["web1"])
    assert asked["verb"] == "inhibit" and asked["wake"] is False
    assert order_body(params(state="released"), ["web1"])["arguments"] == {"reason": "play Work, run 1"}


@pytest.mark.parametrize(("option", "value"), [("hold", -1), ("timeout", 0), ("queue", 90000), ("rate", 0)])
def test_what_cannot_be_is_refused_by_its_option(option, value):
    with pytest.raises(BadValue, match="^" + option + ": "):
        check(params(**{option: value}))


@pytest.mark.parametrize(
    ("given", "understood"),
    [
        (
            result("done", lease={"id": "1"}, woken_seconds=2.5, magic_packets=4, was="asleep"),
            {"was": "asleep", "woken": True, "held": True, "problem": "", "seconds": 2.5, "magic_packets": 4},
        ),
        (
            result("done", lease={"id": "1"}),
            {"was": "awake", "woken": False, "held": True, "problem": "", "magic_packets": 0},
        ),
        (
            result("not delivered", "woken, but ...", woken_seconds=2.5, was="asleep", state="awake"),
            {"was": "asleep", "woken": True, "held": False, "problem": ""},
        ),
        (
            result("not delivered", "is awake, without an open link", state="awake"),
            {"was": "awake", "woken": False, "held": False, "problem": ""},
        ),
        (
            result("not delivered", "is asleep, and the order may not wake it", state="napping"),
            {"was": "asleep", "held": False, "problem": "asleep"},
        ),
        (result("not delivered", state="waking"), {"was": "waking", "problem": "asleep"}),
        (result("failed", problem="not-found"), {"held": False, "problem": "not-found"}),
        (result("failed", "web1 did not wake", problem="not-woken"), {"held": False, "problem": "not-woken"}),
        (result("failed", "seconds: 90000 is not within 1 and 86400"), {"held": False, "problem": "", "was": "awake"}),
        (result("cancelled"), {"held": False, "problem": "cancelled"}),
        (result("done", "woken", woken_seconds=1.0, magic_packets=2, was="asleep"), {"held": False, "woken": True}),
    ],
)
def test_what_became_of_a_machine(given, understood):
    found = read(given)
    assert {name: found[name] for name in understood} == understood
    assert found["awake"] is (found["problem"] == "")


def test_an_order_is_given_once_and_then_followed_for_one_machine():
    waiting = {"id": "ab12", "results": {"web1": result("running"), "web2": result("waiting")}}
    over = {"id": "ab12", "results": {"web1": result("done", lease={})}}
    server = FakeServer(waiting, over)
    assert talk(server, params(_names=["web1", "web2"], _patience=0)) == {"order": "ab12", "result": None}
    assert talk(server, params(_order="ab12", _patience=500))["result"]["outcome"] == "done"
    assert server.asked[0][2]["hosts"] == ["web1", "web2"]
    method, path, query, timeout = server.asked[1]
    assert (method, path, query["host"]) == ("GET", "/api/v1/orders/ab12", "web1")
    assert query["wait_seconds"] < 60 < timeout


def test_an_order_that_a_wake_server_has_forgotten_is_told_apart_from_what_it_refuses():
    assert work(FakeServer(Refused(404, "no order")), params(_order="ab12")) == {"order": None, "result": None}
    with pytest.raises(Refused):
        work(FakeServer(Refused(403, "no")), params(_order="ab12"))


def test_what_the_plugin_tells_the_module_arrives():
    told = part_of(params(_order="ab12", _patience=50))
    assert with_part({"name": "web1", "part": told}) == {
        "name": "web1",
        "part": told,
        "_names": None,
        "_order": "ab12",
        "_patience": 50,
    }


def test_check_mode_looks_and_sends_nothing():
    host = {"name": "web1", "status": {"state": "napping"}}
    server = FakeServer({"hosts": [host]}, Refused(404, "no host"))
    assert work(server, params(), check_mode=True) == {"was": "asleep", "up": False}
    assert work(server, params(), check_mode=True) == {"was": None, "up": False}
    assert {asked[0] for asked in server.asked} == {"GET"}


def test_states_in_few_words():
    assert [was(state) for state in ("awake", "warned", "powersave", "napping", "off", "waking", "unreachable")] == [
        *("awake", "awake", "awake", "asleep", "asleep", "waking", "unreachable")
    ]
