# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module powerwake_client."""

from __future__ import annotations

import json

from ansible_collections.powernap.powernap.plugins.modules import powerwake_client
from ansible_collections.powernap.powernap.tests.unit.fake_powerwaked import KEY

MACS = ["02:4C:00:00:00:03"]


def test_registers_once(run, fake_server):
    first = run(powerwake_client.main, name="web1", macs=MACS, socket=fake_server.socket)
    second = run(powerwake_client.main, name="web1", macs=["02-4c-00-00-00-03"], socket=fake_server.socket)
    assert (first["changed"], second["changed"]) == (True, False)
    assert first["host"]["macs"] == ["02:4c:00:00:00:03"]
    assert first["diff"]["before"] == {} and first["diff"]["after"]["macs"] == ["02:4c:00:00:00:03"]


def test_corrects_a_record(run, fake_server):
    fake_server.add("web1", wake_on="arp")
    result = run(powerwake_client.main, name="web1", macs=MACS, wake_on="never", socket=fake_server.socket)
    assert result["changed"] is True
    assert (result["diff"]["before"]["wake_on"], result["diff"]["after"]["wake_on"]) == ("arp", "never")
    assert fake_server.hosts["web1"]["registered"]["wake_on"] == "never"


def test_puts_a_machine_into_a_group_and_out_of_it(run, fake_server):
    fake_server.add("web1")
    options = {"name": "web1", "macs": MACS, "socket": fake_server.socket}
    checked = run(powerwake_client.main, check=True, group="rack1", **options)
    assert checked["changed"] is True and fake_server.changes() == []
    first = run(powerwake_client.main, group="rack1", **options)
    second = run(powerwake_client.main, group="rack1", **options)
    assert (first["changed"], second["changed"]) == (True, False)
    assert (first["diff"]["before"]["group"], first["diff"]["after"]["group"]) == (None, "rack1")
    assert fake_server.hosts["web1"]["registered"]["group"] == "rack1"
    out = run(powerwake_client.main, **options)
    assert (out["changed"], out["diff"]["before"]["group"], out["diff"]["after"]["group"]) == (True, "rack1", None)
    assert fake_server.hosts["web1"]["registered"]["group"] is None


def test_a_group_that_nothing_describes_is_worth_a_warning(run, fake_server):
    fake_server.groups = ["rack1"]
    options = {"name": "web1", "macs": MACS, "socket": fake_server.socket}
    assert "warnings" not in run(powerwake_client.main, group="rack1", **options)
    (warning,) = run(powerwake_client.main, group="rak1", **options)["warnings"]
    assert "no [groups.rak1] describes the group" in str(warning) and "of web1" in str(warning)


def test_what_the_machine_said_itself_is_no_change(run, fake_server):
    fake_server.add("web1")
    fake_server.hosts["web1"].update(macs=["02:4c:00:00:00:03", "02:4c:00:00:00:13"], addresses=["198.18.0.3"])
    assert run(powerwake_client.main, check=True, name="web1", macs=MACS, socket=fake_server.socket)["changed"] is False


def test_keeps_addresses_in_one_form(run, fake_server):
    options = {"name": "web1", "macs": MACS, "socket": fake_server.socket}
    run(powerwake_client.main, addresses=["fd4c:0::3/64", "198.18.0.3"], **options)
    assert fake_server.hosts["web1"]["registered"]["addresses"] == ["198.18.0.3", "fd4c::3"]


def test_the_order_of_addresses_is_no_change(run, fake_server):
    fake_server.add("web1", addresses=["fd4c::3", "198.18.0.3"])
    options = {"name": "web1", "macs": MACS, "addresses": ["fd4c::3", "198.18.0.3"], "socket": fake_server.socket}
    assert run(powerwake_client.main, check=True, **options)["changed"] is False


def test_check_mode_registers_nobody(run, fake_server):
    result = run(powerwake_client.main, check=True, name="web1", macs=MACS, socket=fake_server.socket)
    assert result["changed"] is True
    assert result["host"]["registered"]["macs"] == ["02:4c:00:00:00:03"]
    assert fake_server.hosts == {}
    assert fake_server.changes() == []


def test_the_key_is_returned_only_when_it_is_asked_for(run, fake_server):
    without = run(powerwake_client.main, name="web1", macs=MACS, socket=fake_server.socket)
    assert KEY not in json.dumps(without)
    result = run(powerwake_client.main, name="web1", macs=MACS, return_key=True, socket=fake_server.socket)
    assert result.pop("key") == KEY
    assert KEY not in json.dumps({key: value for key, value in result.items() if key != "invocation"})


def test_check_mode_returns_the_key_of_a_registered_machine(run, fake_server):
    fake_server.add("web1")
    options = {"name": "web1", "macs": MACS, "return_key": True, "socket": fake_server.socket}
    assert run(powerwake_client.main, check=True, **options)["key"] == KEY


def test_forgets_once(run, fake_server):
    fake_server.add("web1")
    first = run(powerwake_client.main, name="web1", state="absent", socket=fake_server.socket)
    second = run(powerwake_client.main, name="web1", state="absent", socket=fake_server.socket)
    assert (first["changed"], second["changed"]) == (True, False)
    assert first["diff"]["after"] == {}
    assert fake_server.hosts == {}


def test_check_mode_forgets_nobody(run, fake_server):
    fake_server.add("web1")
    assert run(powerwake_client.main, check=True, name="web1", state="absent", socket=fake_server.socket)["changed"]
    assert list(fake_server.hosts) == ["web1"]


def test_a_name_with_a_slash_is_one_name(run, fake_server):
    run(powerwake_client.main, name="rack/1", macs=MACS, socket=fake_server.socket)
    assert list(fake_server.hosts) == ["rack/1"]


def test_refuses_what_cannot_be_before_asking_the_server(run, fake_server):
    for options, sentence in (
        ({"macs": ["02:4c"]}, "macs: '02:4c' is no MAC address"),
        ({"macs": []}, "macs: give at least one MAC address"),
        ({"macs": MACS, "addresses": ["198.18.0"]}, "addresses: '198.18.0' is no IP address"),
        ({}, "macs: give at least one MAC address"),
        ({"hosts": []}, "parameters are mutually exclusive: hosts|name"),
    ):
        result = run(powerwake_client.main, name="web1", socket=fake_server.socket, **options)
        assert result["failed"] is True and sentence in result["msg"]
    assert fake_server.changes() == []


# Many in one request

WEB1 = {"name": "web1", "macs": MACS}
WEB2 = {"name": "web2", "macs": ["02:4c:00:00:00:04"], "addresses": ["198.18.0.4"], "group": "rack1"}


def test_registers_many_in_one_request(run, fake_server):
    fake_server.add("other")
    first = run(powerwake_client.main, hosts=[WEB1, WEB2], socket=fake_server.socket)
    assert [(each["name"], each["changed"]) for each in first["hosts"]] == [("web1", True), ("web2", True)]
    assert first["changed"] is True and KEY not in json.dumps(first)
    assert len(fake_server.calls) == 1 and sorted(fake_server.hosts) == ["other", "web1", "web2"]
    second = run(powerwake_client.main, hosts=[WEB1, WEB2], socket=fake_server.socket)
    assert second["changed"] is False and second["diff"] == {"before": {}, "after": {}}


def test_the_diff_of_many_has_those_that_change_by_name(run, fake_server):
    run(powerwake_client.main, hosts=[WEB1, WEB2], socket=fake_server.socket)
    for check in (True, False):
        hosts = [WEB1, dict(WEB2, group="rack2")]
        result = run(powerwake_client.main, check=check, hosts=hosts, socket=fake_server.socket)
        assert [each["changed"] for each in result["hosts"]] == [False, True]
        assert list(result["diff"]["before"]) == list(result["diff"]["after"]) == ["web2"]
        assert (result["diff"]["before"]["web2"]["group"], result["diff"]["after"]["web2"]["group"]) == (
            "rack1",
            "rack2",
        )


def test_check_mode_registers_none_of_many(run, fake_server):
    result = run(powerwake_client.main, check=True, hosts=[WEB1, WEB2], socket=fake_server.socket)
    assert result["changed"] is True and fake_server.hosts == {}


def test_the_order_of_macs_is_no_change_among_many(run, fake_server):
    macs = ["02:4c:00:00:00:0b", "02:4c:00:00:00:0a"]
    fake_server.add("web1", macs=macs)
    result = run(powerwake_client.main, hosts=[{"name": "web1", "macs": macs}], socket=fake_server.socket)
    assert result["changed"] is False


def test_the_keys_of_many_are_returned_when_they_are_asked_for(run, fake_server):
    result = run(powerwake_client.main, hosts=[WEB1], return_key=True, socket=fake_server.socket)
    assert result["hosts"] == [{"name": "web1", "changed": True, "key": KEY}]


def test_one_that_is_refused_fails_the_task_and_not_the_others(run, fake_server):
    fake_server.refused["web1"] = "02:4c:00:00:00:03 is registered for db1"
    result = run(powerwake_client.main, hosts=[WEB1, WEB2], socket=fake_server.socket)
    assert result["failed"] is True and result["changed"] is True
    assert result["msg"] == "1 of 2 machines were refused; web1: 02:4c:00:00:00:03 is registered for db1"
    assert list(fake_server.hosts) == ["web2"] and "error" in result["hosts"][0]


def test_a_group_that_nothing_describes_is_one_warning_however_many_are_in_it(run, fake_server):
    fake_server.groups = []
    hosts = [dict(WEB1, group="rak1"), dict(WEB2, group="rak1")]
    (warning,) = run(powerwake_client.main, hosts=hosts, socket=fake_server.socket)["warnings"]
    assert "no [groups.rak1] describes the group" in str(warning)


def test_forgets_many_in_one_request_and_no_others(run, fake_server):
    for name in ("web1", "web2", "web3"):
        fake_server.add(name)
    options = {"hosts": [{"name": "web1"}, {"name": "web9"}, {"name": "web2"}], "state": "absent"}
    for check in (True, False):
        result = run(powerwake_client.main, check=check, socket=fake_server.socket, **options)
        assert [each["changed"] for each in result["hosts"]] == [True, False, True]
        assert sorted(result["diff"]["before"]) == ["web1", "web2"]
        assert len(fake_server.calls) == (1 if check else 2)
    assert list(fake_server.hosts) == ["web3"]
    assert run(powerwake_client.main, socket=fake_server.socket, **options)["changed"] is False


def test_among_many_the_sentence_names_the_machine_and_the_option(run, fake_server):
    result = run(powerwake_client.main, hosts=[WEB1, {"name": "web2", "macs": ["x"]}], socket=fake_server.socket)
    assert result["msg"].startswith("hosts: web2: macs: 'x' is no MAC address")
    result = run(powerwake_client.main, hosts=[WEB1, WEB1], socket=fake_server.socket)
    assert result["msg"] == "hosts: web1 is given twice: give each machine once"
    assert fake_server.calls == []


def test_no_machine_at_all_is_no_change(run, fake_server):
    assert run(powerwake_client.main, hosts=[], socket=fake_server.socket)["changed"] is False


# Those that wait for approval


def test_approves_once(run, fake_server):
    fake_server.wait("web3", "482a7b1d")
    options = {"name": "web3", "group": "rack1", "state": "approved", "socket": fake_server.socket}
    checked = run(powerwake_client.main, check=True, **options)
    assert checked["changed"] is True and fake_server.changes() == []
    assert checked["diff"] == {"before": {"status": "pending"}, "after": {"status": "approved"}}
    assert run(powerwake_client.main, **options)["changed"] is True
    assert fake_server.hosts["web3"]["group"] == "rack1"
    assert run(powerwake_client.main, **options)["changed"] is False


def test_approves_by_request_under_another_name(run, fake_server):
    fake_server.wait("localhost", "482a7b1d")
    fake_server.wait("localhost", "11111111")
    ambiguous = run(powerwake_client.main, name="localhost", state="approved", socket=fake_server.socket)
    assert ambiguous["failed"] is True and "give one of 482a7b1d, 11111111" in ambiguous["msg"]
    options = {"name": "web3", "request": "482a7b1d", "state": "approved", "socket": fake_server.socket}
    assert run(powerwake_client.main, **options)["changed"] is True
    assert list(fake_server.hosts) == ["web3"] and len(fake_server.pending) == 1
    assert run(powerwake_client.main, **options)["changed"] is False


def test_whoever_never_asked_cannot_be_approved(run, fake_server):
    for options in ({"name": "web3"}, {"hosts": [{"name": "web3"}]}):
        result = run(powerwake_client.main, state="approved", socket=fake_server.socket, **options)
        assert result["failed"] is True
        assert result["msg"] == "web3: neither waits for approval nor is registered: see 'powerwake pending'"


def test_rejects_once(run, fake_server):
    fake_server.wait("web3", "482a7b1d")
    options = {"name": "web3", "state": "rejected", "socket": fake_server.socket}
    assert run(powerwake_client.main, check=True, **options)["changed"] is True
    assert run(powerwake_client.main, **options)["changed"] is True
    assert run(powerwake_client.main, **options)["changed"] is False
    assert fake_server.pending[0]["status"] == "rejected"


def test_a_copy_of_a_machine_is_not_approved(run, fake_server):
    fake_server.wait("web3", "482a7b1d", status="copy", host="web1")
    result = run(powerwake_client.main, check=True, name="web3", state="approved", socket=fake_server.socket)
    assert result["failed"] is True and "still uses the key of web1" in result["msg"]
