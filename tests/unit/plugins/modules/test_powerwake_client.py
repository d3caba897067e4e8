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
        ({}, "state is present but all of the following are missing: macs"),
    ):
        result = run(powerwake_client.main, name="web1", socket=fake_server.socket, **options)
        assert result["failed"] is True and sentence in result["msg"]
    assert fake_server.changes() == []
