# SPDX-License-Identifier: GPL-3.0-or-later
"""Orders to many machines, and what the site's policy says to their naps, with a real powerwaked and real links."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time

import pytest
from tests.net.lan import Lan, wait_for
from tests.net.linked import Linked, linked, order, outcomes, status, wait_for_status
from tests.net.sleeper import REFUSED

from powernap.shared.errors import Refused
from powernap.shared.wakeapi import host_path


def configured(lan: Lan, text: str) -> Lan:
    """The wake server, started with some settings more."""
    drop_ins = lan.server.directory / "powerwaked.d"
    drop_ins.mkdir(exist_ok=True)
    (drop_ins / "site.toml").write_text(text)
    lan.server.start()
    return lan


def powerwake(lan: Lan, *command: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "powernap", "powerwake", *command, "--socket", lan.server.admin.path]
    return subprocess.run(words, check=False, text=True, capture_output=True, timeout=120)


def nap_ordered(lan: Lan, node: Linked) -> None:
    # Just after a start who is awake is not known yet, and nobody is let go whom others may need.
    wait_for(lambda: outcomes(order(lan, "nap", hosts=[node.name])) == {node.name: "done"}, 30, 0.5)
    lan.wait_for_state(node.name, "proxied", 20)


def test_each_verb_reaches_the_machine_with_its_arguments(lan: Lan) -> None:
    web1 = linked(lan, "web1", 3)
    given = {
        "recover": {},
        "inhibit": {"seconds": 600, "reason": "backup"},
        "release": {"reason": "backup"},
        "profile": {"name": "server"},
        "reload": {},
    }
    for verb, arguments in given.items():
        done = order(lan, verb, hosts=["web1"], arguments=arguments)
        assert done["results"]["web1"]["outcome"] == "done" and done["by"] == "root"
        assert done["results"]["web1"]["result"] == {"verb": verb}
    assert [(each["verb"], each["arguments"], each["by"]) for each in web1.orders] == [
        (verb, arguments, "root") for verb, arguments in given.items()
    ]
    order(lan, "reload", hosts=["web1"], timeout_seconds=7)
    assert [each["valid_seconds"] for each in web1.orders[-2:]] == [30, 7]


def test_an_order_to_a_group_and_to_those_that_a_query_finds(lan: Lan) -> None:
    for number, name in enumerate(("app1", "app2", "web1"), 3):
        linked(lan, name, number, group="app" if name.startswith("app") else "")
    lan.sleeper("old1", 9, group="app")
    wait_for_status(lan, "old1", "awake")
    assert outcomes(order(lan, "reload", group="app")) == {"app1": "done", "app2": "done", "old1": "not delivered"}
    assert outcomes(order(lan, "reload", match="*1", state=["awake"])) == {
        "app1": "done",
        "old1": "not delivered",
        "web1": "done",
    }
    assert outcomes(order(lan, "reload", hosts=["web1", "nobody"])) == {"web1": "done", "nobody": "failed"}
    assert order(lan, "reload", state=["off"])["results"] == {}


def test_a_sleeper_gets_an_order_only_where_that_may_wake_it(lan: Lan) -> None:
    web1 = linked(lan, "web1", 3)
    nap_ordered(lan, web1)
    done = order(lan, "reload", hosts=["web1"])
    assert done["results"]["web1"]["said"] == "is asleep, and the order may not wake it"
    assert not web1.magic_at
    done = order(lan, "reload", hosts=["web1"], wake=True)
    assert outcomes(done) == {"web1": "done"} and done["results"]["web1"]["result"]["magic_packets"] >= 1
    assert [each["verb"] for each in web1.orders] == ["nap", "reload"]


def test_who_waits_for_an_order_hears_of_its_end_and_of_one_machine_as_soon_as_it_is_done(lan: Lan) -> None:
    for number in (3, 4):
        linked(lan, f"web{number}", number)
    admin = lan.server.admin
    body = {"verb": "reload", "hosts": ["web3", "nobody"], "wait_seconds": 30}
    assert admin.post("/api/v1/orders", body, timeout=60)["ended"] is not None
    given = admin.post("/api/v1/orders", {"verb": "reload", "hosts": ["web3", "web4"], "per_minute": 6})
    path, began = f"/api/v1/orders/{given['id']}", time.monotonic()
    first = admin.get(path, host="web3", wait_seconds=8)
    assert list(first["results"]) == ["web3"] and first["results"]["web3"]["outcome"] == "done"
    assert first["ended"] is None and time.monotonic() - began < 8
    assert outcomes(admin.get(path, host="web4", wait_seconds=1)) == {"web4": "waiting"}
    assert admin.delete(path)["id"] == given["id"]
    assert admin.get(path, wait_seconds=8)["state"] == "cancelled"
    with pytest.raises(Refused, match="is not for nobody"):
        admin.get(path, host="nobody")


def test_what_is_needed_to_know_what_became_of_an_order_is_told_to_programs(lan: Lan) -> None:
    lan.sleeper("old1", 9)  # it has no powernapd, and never had
    wait_for_status(lan, "old1", "awake")
    inhibit = {"arguments": {"seconds": 60, "reason": "play"}, "wake": True, "hosts": ["old1", "nobody"]}
    results = order(lan, "inhibit", **inhibit)["results"]
    assert results["old1"]["outcome"] == "not delivered" and results["old1"]["result"] == {"state": "awake"}
    assert results["nobody"]["outcome"] == "failed" and results["nobody"]["result"] == {"problem": "not-found"}


def test_waiting_for_its_turn_is_not_counted_as_time_to_wake(bare_lan: Lan) -> None:
    lan = configured(bare_lan, "[groups.slow]\nwakes_per_minute = 6\n")
    nodes = [linked(lan, f"web{n}", n, group="slow") for n in range(3, 6)]
    for node in nodes:
        nap_ordered(lan, node)
    hold = {"arguments": {"seconds": 60, "reason": "play"}, "wake": True, "timeout_seconds": 6, "group": "slow"}
    done = order(lan, "inhibit", **hold, queue_seconds=120)
    assert set(outcomes(done).values()) == {"done"}, done["results"]
    longest = max(result["result"]["woken_seconds"] for result in done["results"].values())
    assert longest > 6, "all of them had their turn at once"


def test_a_dry_run_says_what_would_be_done_and_does_nothing(bare_lan: Lan) -> None:
    lan = configured(bare_lan, "[groups.app]\nkeep_awake = 1\n")
    nodes = [linked(lan, f"app{n}", n, group="app") for n in (3, 4, 5)]
    found = order(lan, "nap", group="app", dry_run=True)
    assert sorted(outcomes(found).values()) == ["refused", "would", "would"]
    assert [node.orders for node in nodes] == [[], [], []]
    nap_ordered(lan, nodes[0])
    hold = {"hosts": [node.name for node in nodes], "arguments": {"seconds": 60, "reason": "work"}, "dry_run": True}
    for wake, outcome in ((True, "would"), (False, "not delivered")):
        told = order(lan, "inhibit", wake=wake, **hold)["results"]
        assert (told["app3"]["outcome"], told["app3"]["result"]) == (outcome, {"state": "napping"})
        assert (told["app4"]["outcome"], told["app4"]["result"]) == ("would", {})
    with pytest.raises(Refused):  # it is no order that could be followed
        lan.server.admin.get(f"/api/v1/orders/{found['id']}")


def test_machines_are_dealt_with_at_a_rate_and_an_order_can_be_cancelled(lan: Lan) -> None:
    nodes = [linked(lan, f"web{n}", n) for n in range(3, 8)]
    given = lan.server.admin.post("/api/v1/orders", {"verb": "reload", "all": True, "per_minute": 6})
    path = f"/api/v1/orders/{given['id']}"
    wait_for(lambda: lan.server.admin.get(path)["counts"].get("done") == 1, 20)
    assert sum(len(node.orders) for node in nodes) == 1
    assert lan.server.admin.delete(path)["id"] == given["id"]
    done = wait_for(lambda: (found := lan.server.admin.get(path))["ended"] and found, 20)
    assert done["state"] == "cancelled" and done["counts"] == {"done": 1, "cancelled": 4}
    assert sum(len(node.orders) for node in nodes) == 1


def test_of_a_group_as_many_stay_as_are_kept_whoever_asks(bare_lan: Lan) -> None:
    lan = configured(bare_lan, "[groups.app]\nkeep_awake = 2\n")
    nodes = [linked(lan, f"app{n}", n, group="app") for n in (3, 4, 5, 6)]
    done = order(lan, "nap", group="app")
    assert sorted(outcomes(done).values()) == ["done", "done", "refused", "refused"]
    stay = [node for node in nodes if outcomes(done)[node.name] == "refused"]
    for node in stay:  # by itself, too
        answer = node.tell("asleep", node.registration())
        assert not answer.body["ok"] and "keeps 2 of 4 awake" in answer.body["error"]
        assert answer.body["again_seconds"] > 0
    slept = next(node for node in nodes if node not in stay)
    lan.wait_for_state(slept.name, "proxied", 20)
    lan.server.admin.post("/api/v1/wake", {"target": slept.name})
    wait_for_status(lan, slept.name, "awake")
    assert stay[0].tell("asleep", stay[0].registration()).body["ok"]


def test_two_that_register_at_the_same_moment_are_not_both_let_go(bare_lan: Lan) -> None:
    import threading

    lan = configured(bare_lan, "[groups.app]\nkeep_awake = 1\n")
    nodes = [linked(lan, f"app{n}", n, group="app") for n in (3, 4)]
    answers: dict[str, bool] = {}
    ready = threading.Barrier(2)
    bodies = {node.name: node.registration() for node in nodes}

    def ask(node: Linked) -> None:
        ready.wait(10)
        answers[node.name] = bool(node.tell("asleep", bodies[node.name]).body["ok"])

    for _round in range(10):
        threads = [threading.Thread(target=ask, args=(node,)) for node in nodes]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert sorted(answers.values()) == [False, True]
        gone = next(node for node in nodes if answers[node.name])
        assert gone.tell("awake", {"cause": "cancelled", "slept_seconds": 0}).body["ok"]


def test_an_acknowledged_registration_of_a_host_that_never_falls_silent_is_given_back(bare_lan: Lan) -> None:
    lan = configured(bare_lan, "[groups.app]\nkeep_awake = 1\n")
    first, second = (linked(lan, f"app{n}", n, group="app") for n in (3, 4))
    assert first.tell("asleep", first.registration()).body["ok"]  # and stays awake
    assert not second.tell("asleep", second.registration()).body["ok"]
    lan.wait_for_state("app3", "awake", 60)  # it answers all that is asked
    assert second.tell("asleep", second.registration()).body["ok"]


def test_policy_holds_after_a_restart_of_the_server(bare_lan: Lan) -> None:
    lan = configured(bare_lan, "[groups.app]\nkeep_awake = 1\n")
    first, second = (linked(lan, f"app{n}", n, group="app") for n in (3, 4))
    nap_ordered(lan, first)
    lan.server.stop(9)
    lan.server.start()
    second.opens_link()
    assert not second.tell("asleep", second.registration()).body["ok"]
    wait_for(lambda: lan.state("app3") == "proxied", 20)


def test_whom_others_need_stays_and_is_woken_with_them(bare_lan: Lan) -> None:
    lan = configured(bare_lan, '[groups.app]\nneeds = ["db1", "@storage"]\n')
    app1, db1 = linked(lan, "app1", 3, group="app"), linked(lan, "db1", 4)
    nas1 = linked(lan, "nas1", 5, group="storage")
    for node in (db1, nas1):
        refused = order(lan, "nap", hosts=[node.name])["results"][node.name]
        assert refused["outcome"] == "refused" and "group app" in refused["said"]
    for node in (app1, db1, nas1):
        nap_ordered(lan, node)
    done = order(lan, "wake", hosts=["app1"])
    assert outcomes(done) == {"app1": "done"}
    for node in (app1, db1, nas1):
        wait_for_status(lan, node.name, "awake")
    assert max(db1.ready_at, nas1.ready_at) < app1.ready_at
    for node in (app1, db1, nas1):
        nap_ordered(lan, node)
    desk = lan.client()
    app1.serve(80)
    connection, _when = desk.connect(app1.ipv4, 80)
    connection.close()
    for name in ("db1", "nas1"):
        wait_for_status(lan, name, "awake")


def test_machines_are_woken_and_kept_in_the_hours_in_which_they_are_needed(bare_lan: Lan) -> None:
    lan = configured(bare_lan, "")
    web1 = linked(lan, "web1", 3, group="office")
    nap_ordered(lan, web1)
    lan.server.stop()
    configured(lan, '[groups.office]\nawake_windows = ["00:00-24:00 UTC"]\n')
    wait_for_status(lan, "web1", "awake")
    status_, content = web1.say("asleep", web1.registration())
    assert status_ == REFUSED and "stays awake at this time" in content["error"] and content["again_seconds"] > 0


def test_a_canary_naps_is_woken_and_says_so(lan: Lan) -> None:
    web1 = linked(lan, "web1", 3)
    result = order(lan, "canary", hosts=["web1"])["results"]["web1"]
    assert result["outcome"] == "done", result
    assert result["result"]["wake_seconds"] > 0 and result["result"]["magic_packets"] >= 1
    assert status(lan, "web1")["canary_failed"] is None and web1.magic_at


def test_a_machine_whose_canary_failed_does_not_sleep_until_that_is_cleared(bare_lan: Lan) -> None:
    lan = configured(bare_lan, "")
    web1 = linked(lan, "web1", 3)
    web1.lose = 1000  # its card does not hear magic packets
    result = order(lan, "canary", hosts=["web1"], timeout_seconds=8)["results"]["web1"]
    assert result["outcome"] == "failed" and "canary failed" in result["said"]
    assert status(lan, "web1")["canary_failed"]["why"]
    assert any("canary failed" in event["detail"] for event in lan.events("web1", "alert"))
    web1.lose = 0
    web1.wake()
    wait_for_status(lan, "web1", "awake")
    lan.server.stop(9)
    lan.server.start()
    web1.opens_link()
    answer = web1.tell("asleep", web1.registration())
    assert not answer.body["ok"] and "powerwake canary --clear web1" in answer.body["error"]
    assert outcomes(order(lan, "nap", hosts=["web1"])) == {"web1": "refused"}
    assert "canary failed" in powerwake(lan, "status", "web1").stdout
    assert powerwake(lan, "canary", "--clear", "web1").stdout == "web1 may nap again\n"
    assert web1.tell("asleep", web1.registration()).body["ok"]


def test_a_canary_that_failed_is_forgotten_with_its_machine(bare_lan: Lan) -> None:
    lan = configured(bare_lan, "")
    web1 = linked(lan, "web1", 3)
    web1.lose = 1000
    order(lan, "canary", hosts=["web1"], timeout_seconds=8)
    assert status(lan, "web1")["canary_failed"]["why"]
    assert lan.server.admin.delete("/api/v1/hosts/web1")["changed"]
    lan.server.admin.put("/api/v1/hosts/web1", {"macs": [web1.mac]})
    assert status(lan, "web1")["canary_failed"] is None


def test_the_command_line_gives_orders_and_tells_what_became_of_them(lan: Lan) -> None:
    linked(lan, "web1", 3)
    web2 = linked(lan, "web2", 4)
    nap_ordered(lan, web2)
    done = powerwake(lan, "inhibit", "--all", "--for", "10m", "--reason", "backup")
    assert done.returncode == 1 and "web1: done: is done" in done.stdout
    assert "web2: not delivered: is asleep, and the order may not wake it" in done.stdout
    done = powerwake(lan, "release", "--all", "--reason", "backup")
    assert "web1: done: is done" in done.stdout, done
    done = powerwake(lan, "nap", "web*", "--dry-run")
    assert done.returncode == 0 and "web1: would: send" in done.stdout and "web2: done: is napping" in done.stdout
    assert json.loads(powerwake(lan, "reload", "web1", "--json").stdout)["results"]["web1"]["outcome"] == "done"
    done = powerwake(lan, "recover", "--where", "state=napping", "--wake")
    assert done.returncode == 0 and done.stdout.startswith("web2: done"), done
    done = powerwake(lan, "wake", "web1", "web2")
    assert done.returncode == 0 and done.stdout.endswith("wake: 2 done\n"), done
    table = powerwake(lan, "list").stdout
    assert "SEEN BY" in table and "open link" in table
    wait_for(lambda: status(lan, "web2")["link"], 20)
    shown = powerwake(lan, "status", "web2").stdout
    assert "because: " in shown and "seen by: open link" in shown and "nap: " in shown
    assert "reload" in powerwake(lan, "orders").stdout
    assert "nobody is meant" in powerwake(lan, "nap").stderr
    audit = powerwake(lan, "audit").stdout
    assert re.search(r'POST /orders verb="inhibit", all=true, arguments=.* 202 order \w+ for 2 machines', audit), audit
    assert re.search(r'verb="nap", match="web\*", dry_run=true.* 200 dry run \w+ for 2 machines', audit), audit


def test_an_order_to_a_machine_that_was_ordered_to_nap_and_does_not_leaves_room_for_others(bare_lan: Lan) -> None:
    lan = configured(bare_lan, "[groups.app]\nkeep_awake = 1\n")
    first, second = (linked(lan, f"app{n}", n, group="app") for n in (3, 4))
    first.obeys = False
    assert outcomes(order(lan, "nap", hosts=["app3"])) == {"app3": "done"}
    assert outcomes(order(lan, "nap", hosts=["app4"])) == {"app4": "refused"}
    assert first.tell("awake", {"cause": "cancelled", "slept_seconds": 0}).body["ok"]
    assert outcomes(order(lan, "nap", hosts=["app4"])) == {"app4": "done"}
    assert second.orders and time.time()
    assert lan.server.admin.get(host_path("app3"))["wake_state"] == "awake"
