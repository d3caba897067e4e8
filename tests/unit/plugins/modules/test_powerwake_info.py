# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module powerwake_info."""

from __future__ import annotations

import pytest
from ansible_collections.powernap.powernap.plugins.modules import powerwake_info


@pytest.fixture
def rack(fake_server):
    for number, (name, state, group) in enumerate(
        (("web1", "proxied", "rack1"), ("web2", "awake", "rack1"), ("db1", "proxied", "rack2"))
    ):
        fake_server.add(name, wake_state=state, group=group, macs=[f"02:4c:00:00:00:{number + 3:02x}"])
    return fake_server


def names(run, server, **options):
    result = run(powerwake_info.main, gather=["hosts"], socket=server.socket, **options)
    return [host["name"] for host in result["hosts"]]


def test_tells_of_the_server_and_all_machines(run, rack):
    for check in (False, True):
        result = run(powerwake_info.main, check=check, socket=rack.socket)
        assert (result["changed"], result["status"]["hosts"], len(result["hosts"])) == (False, 3, 3)
        assert "missing" not in result


def test_finds_machines_by_group_state_and_pattern(run, rack):
    assert names(run, rack, group="rack1") == ["web1", "web2"]
    assert names(run, rack, state=["napping", "waking"]) == ["db1", "web1"]
    assert names(run, rack, pattern="web*", state=["awake"]) == ["web2"]


def test_finds_machines_by_name_and_address_and_names_those_that_are_missing(run, rack):
    result = run(
        powerwake_info.main, gather=["hosts"], name=["web2", "nobody", "02-4C-00-00-00-05"], socket=rack.socket
    )
    assert [host["name"] for host in result["hosts"]] == ["db1", "web2"]
    assert result["missing"] == ["nobody"]
    assert names(run, rack, name=["web1", "db1"], group="rack1") == ["web1"]


def test_many_names_are_not_asked_for_one_by_one(run, rack):
    said = [f"n{number}" for number in range(100)] + ["web1"]
    assert names(run, rack, name=said) == ["web1"]
    assert len(rack.calls) == 1


def test_fields_make_it_short(run, rack):
    for options in ({}, {"name": ["web1"]}):
        result = run(powerwake_info.main, gather=["hosts"], fields=["macs"], socket=rack.socket, **options)
        assert all(set(host) == {"name", "macs"} for host in result["hosts"])


def test_only_what_is_asked_for_is_read(run, rack):
    rack.wait("web3", "482a7b1d")
    result = run(powerwake_info.main, gather=["pending", "criers", "orders", "wakes"], socket=rack.socket)
    assert result["pending"][0]["name"] == "web3" and result["criers"] == {"criers": [], "refused": []}
    assert (result["orders"], result["wakes"]) == ([], [])
    assert "hosts" not in result and "status" not in result
