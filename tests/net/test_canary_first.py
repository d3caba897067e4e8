# SPDX-License-Identifier: GPL-3.0-or-later
"""Nobody naps by itself before one of its kind has proven that it wakes, with a real powerwaked and real links."""

from __future__ import annotations

import signal

from tests.net.lan import Lan, wait_for
from tests.net.linked import Linked, linked, order, outcomes, status, wait_for_status
from tests.net.test_orders import configured, powerwake

FIRST = "[policy]\ncanary_first = true\n"


def asks(node: Linked) -> str:
    """Why the machine may not nap; "" where it may, and then it says that it stays."""
    answer = node.tell("asleep", node.registration())
    if answer.body["ok"]:
        assert node.tell("awake", {"cause": "cancelled", "slept_seconds": 0}).body["ok"]
    return str(answer.body.get("error") or "")


def test_one_of_a_group_proves_for_the_others_also_after_a_restart(bare_lan: Lan) -> None:
    lan = configured(bare_lan, FIRST)
    first, second = (linked(lan, f"app{n}", n, group="app") for n in (3, 4))
    other = linked(lan, "web1", 5, group="web")
    assert "no machine of group app with profile server" in asks(second)
    assert outcomes(order(lan, "nap", hosts=["app4"])) == {"app4": "refused"}
    assert outcomes(order(lan, "nap", hosts=["app4"], dry_run=True)) == {"app4": "refused"}
    assert outcomes(order(lan, "canary", hosts=["app3"], dry_run=True)) == {"app3": "would"}
    assert "try one by 'powerwake canary NAME'" in status(lan, "app4")["canary_wanted"]
    assert "not let go to sleep: no machine of group app" in powerwake(lan, "status", "app4").stdout

    done = order(lan, "canary", hosts=["app3"])
    assert outcomes(done) == {"app3": "done"} and done["results"]["app3"]["changed"]
    assert status(lan, "app4")["canary_wanted"] == "" and status(lan, "app4")["canary_passed"]["host"] == "app3"
    assert lan.events("app3", "canary passed")
    assert asks(second) == ""
    assert "group web" in asks(other), "another group proves for itself"

    lan.server.stop()
    lan.server.start()
    second.opens_link()
    wait_for(lambda: status(lan, "app4")["link"], 30)
    assert asks(second) == "" and status(lan, "app4")["canary_passed"]["host"] == "app3"
    assert first.magic_at and not second.magic_at


def test_a_canary_that_fails_proves_nothing_and_the_others_stay(bare_lan: Lan) -> None:
    lan = configured(bare_lan, FIRST)
    first, second = (linked(lan, f"app{n}", n, group="app") for n in (3, 4))
    first.lose = 1000
    done = order(lan, "canary", hosts=["app3"], timeout_seconds=8)
    assert outcomes(done) == {"app3": "failed"} and not done["results"]["app3"]["result"].get("wake_seconds")
    assert "no machine of group app" in asks(second)


def test_a_group_may_be_left_out_and_another_be_asked_of_alone(bare_lan: Lan) -> None:
    lan = configured(bare_lan, FIRST + '[groups.old]\ncanary_first = "no"\n')
    old, none = linked(lan, "old1", 3, group="old"), linked(lan, "web1", 4)
    assert asks(old) == ""
    assert "those without a group" in asks(none)
    (lan.server.directory / "powerwaked.d" / "site.toml").write_text('[groups.old]\ncanary_first = "yes"\n')
    lan.server.process.send_signal(signal.SIGHUP)
    wait_for(lambda: "group old" in status(lan, "old1")["canary_wanted"], 20)
    assert "group old" in asks(old) and asks(none) == ""


def test_what_was_done_already_is_no_change(lan: Lan) -> None:
    linked(lan, "web1", 3)
    assert not order(lan, "wake", hosts=["web1"])["results"]["web1"]["changed"]
    assert order(lan, "nap", hosts=["web1"])["results"]["web1"]["changed"]
    lan.wait_for_state("web1", "proxied", 20)
    assert not order(lan, "nap", hosts=["web1"])["results"]["web1"]["changed"]
    assert order(lan, "wake", hosts=["web1"], dry_run=True)["results"]["web1"]["changed"]
    assert order(lan, "wake", hosts=["web1"])["results"]["web1"]["changed"]
    wait_for_status(lan, "web1", "awake")
