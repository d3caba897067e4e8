# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module powerwake."""

from __future__ import annotations

import pytest
from ansible_collections.powernap.powernap.plugins.modules import powerwake
from ansible_collections.powernap.powernap.tests.unit.fake_powerwaked import TOKEN


def test_wakes_a_sleeping_machine(run, fake_server):
    fake_server.add("web1", wake_state="proxied")
    result = run(powerwake.main, name="web1", socket=fake_server.socket)
    assert result["changed"] is True
    assert (result["was"], result["state"], result["seconds"], result["magic_packets"]) == ("proxied", "awake", 1.5, 2)
    assert result["diff"] == {"before": {"state": "proxied"}, "after": {"state": "awake"}}
    assert fake_server.changes() == [("POST", "/api/v1/wake", {"target": "web1", "timeout_seconds": 120})]


def test_changes_nothing_where_the_machine_is_awake(run, fake_server):
    fake_server.add("web1")
    result = run(powerwake.main, name="web1", socket=fake_server.socket)
    assert result["changed"] is False
    assert result["magic_packets"] == 0


def test_check_mode_foretells_and_sends_nothing(run, fake_server):
    fake_server.add("web1", wake_state="proxied")
    fake_server.add("file1")
    assert run(powerwake.main, check=True, name="web1", socket=fake_server.socket)["changed"] is True
    assert run(powerwake.main, check=True, name="file1", socket=fake_server.socket)["changed"] is False
    assert fake_server.changes() == []


def test_check_mode_finds_a_machine_by_mac_and_by_address(run, fake_server):
    fake_server.add("web1", wake_state="proxied", addresses=["198.18.0.3", "fd4c::3"])
    for target in ("02-4C-00-00-00-03", "198.18.0.3", "fd4c:0::3"):
        assert run(powerwake.main, check=True, name=target, socket=fake_server.socket)["name"] == "web1"


def test_check_mode_names_the_remedy_for_an_unknown_machine(run, fake_server):
    result = run(powerwake.main, check=True, name="web9", socket=fake_server.socket)
    assert result["failed"] is True
    assert "knows no host 'web9'" in result["msg"] and "register it" in result["msg"]


def test_fails_with_the_servers_own_sentence(run, fake_server):
    fake_server.add("web1", wake_state="proxied")
    fake_server.wake_answer = (504, {"error": "web1 did not wake within 5 s"})
    result = run(powerwake.main, name="web1", timeout=5, socket=fake_server.socket)
    assert result["failed"] is True
    assert result["msg"] == "web1 did not wake within 5 s"


def test_shows_each_try(run, fake_server):
    fake_server.add("web1", wake_state="proxied")
    (told,) = run(powerwake.main, name="web1", socket=fake_server.socket)["hosts"]
    ways = {"ethernet": 1, "udp_broadcast": 1}
    assert told["tries"] == [{"at": 0.0, "packets": 2, "ways": ways, "trouble": ""}]


def test_says_where_to_run_it_when_there_is_no_wake_server(run):
    result = run(powerwake.main, name="web1", socket="/nonexistent/admin.sock")
    assert result["failed"] is True
    assert "there is no wake server on this machine" in result["msg"]


def test_refuses_a_timeout_of_nothing(run, fake_server):
    result = run(powerwake.main, name="web1", timeout=0, socket=fake_server.socket)
    assert result["failed"] is True and result["msg"].startswith("timeout: 0 is too small")
    assert fake_server.changes() == []


def test_wakes_through_a_wake_server_far_away(run, fake_server):
    fake_server.add("web1", wake_state="proxied")
    result = run(powerwake.main, name="web1", server=fake_server.url, token=TOKEN, socket="/nonexistent/admin.sock")
    assert (result["changed"], result["state"]) == (True, "awake")


def test_fails_with_the_servers_sentence_where_the_token_is_wrong(run, fake_server):
    fake_server.add("web1", wake_state="proxied")
    result = run(powerwake.main, name="web1", server=fake_server.url, token="pna1.11111111." + "0" * 64)
    assert result["failed"] is True and result["msg"] == "the token is not known here"
    assert fake_server.hosts["web1"]["wake_state"] == "proxied"


def test_a_token_is_neither_returned_nor_sent_in_the_clear(run, fake_server):
    result = run(powerwake.main, name="web1", server="http://192.0.2.1:20709", token=TOKEN)
    assert result["failed"] is True and "https://" in result["msg"]
    assert TOKEN not in str(result)


def test_a_server_needs_a_token(run):
    result = run(powerwake.main, name="web1", server="https://127.0.0.1:1")
    assert result["failed"] is True and "powerwake token create" in result["msg"]


# Many at once


@pytest.fixture
def rack(fake_server):
    for name, state, group in (("web1", "proxied", "rack1"), ("web2", "awake", "rack1"), ("db1", "proxied", "rack2")):
        fake_server.add(name, wake_state=state, group=group, macs=[f"02:4c:00:00:00:{len(fake_server.hosts) + 3:02x}"])
    return fake_server


def states(result):
    return {each["name"]: (each["was"], each["state"], each["changed"]) for each in result["hosts"]}


def orders(server):
    return [body for method, path, body in server.calls if (method, path) == ("POST", "/api/v1/orders")]


def test_wakes_many_by_one_order(run, rack):
    result = run(powerwake.main, name=["web1", "web2", "db1"], rate=20, socket=rack.socket)
    assert states(result) == {
        "web1": ("asleep", "awake", True),
        "web2": ("awake", "awake", False),
        "db1": ("asleep", "awake", True),
    }
    foretold, order = orders(rack)
    assert foretold["dry_run"] is True
    assert (order["hosts"], order["per_minute"], order["timeout_seconds"]) == (["web1", "web2", "db1"], 20, 120)
    assert result["diff"]["before"] == {"web1": {"state": "asleep"}, "db1": {"state": "asleep"}}
    assert "name" not in result
    assert run(powerwake.main, name=["web1", "web2", "db1"], socket=rack.socket)["changed"] is False


def test_check_mode_foretells_many_and_wakes_none(run, rack):
    result = run(powerwake.main, check=True, group="rack1", socket=rack.socket)
    assert states(result) == {"web1": ("asleep", "awake", True), "web2": ("awake", "awake", False)}
    assert [each["dry_run"] for each in orders(rack)] == [True]
    assert rack.hosts["web1"]["wake_state"] == "proxied"


def test_patterns_names_and_addresses_may_be_mixed(run, rack):
    result = run(powerwake.main, check=True, name=["web*", "02:4c:00:00:00:05", "web1"], socket=rack.socket)
    assert [each["name"] for each in result["hosts"]] == ["web1", "web2", "db1"]
    result = run(powerwake.main, check=True, name=["*1"], group="rack2", socket=rack.socket)
    assert [each["name"] for each in result["hosts"]] == ["db1"]


def test_a_group_of_nobody_is_no_change(run, rack):
    result = run(powerwake.main, group="rack9", socket=rack.socket)
    assert (result["changed"], result["hosts"]) == (False, [])


def test_one_of_many_that_does_not_wake_fails_the_task_after_the_others(run, rack):
    rack.refused["web1"] = "web1 did not wake within 9 s"
    result = run(powerwake.main, name=["web1", "nobody", "db1"], socket=rack.socket)
    assert result["failed"] is True and result["changed"] is True
    assert result["msg"] == "2 of 3 machines were not woken; web1 did not wake within 9 s"
    assert states(result)["db1"] == ("asleep", "awake", True)
    assert states(result)["web1"] == ("asleep", "unreachable", False)
    assert "knows no host 'nobody'" in result["hosts"][1]["error"]


def test_need_not_wait(run, rack):
    result = run(powerwake.main, name=["web1"], wait=False, socket=rack.socket)
    assert states(result) == {"web1": ("asleep", "waking", True)}


def test_options_of_packets_need_that_method(run, rack):
    result = run(powerwake.main, name=["web1"], password="1.2.3.4", socket=rack.socket)
    assert result["failed"] is True and result["msg"].startswith("password: only with method=packet")


def test_somebody_must_be_meant(run):
    result = run(powerwake.main)
    assert result["failed"] is True and "one of the following is required: name, group, hosts" in result["msg"]
