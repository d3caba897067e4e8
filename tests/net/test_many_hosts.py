# SPDX-License-Identifier: GPL-3.0-or-later
"""Any number of hosts in one request: registered, forgotten, and what would be done, foretold."""

from __future__ import annotations

import time
from typing import Any

import pytest
from tests.net.lan import Lan

from powernap.shared.errors import Refused

WEB1 = {"macs": ["02:4c:00:00:00:03"], "addresses": ["198.18.0.3"], "wake_on": None, "group": ""}


def put(lan: Lan, *hosts: dict[str, Any], dry: bool = False) -> dict[str, dict[str, Any]]:
    answer = lan.server.admin.put("/api/v1/hosts", {"hosts": list(hosts), "dry_run": dry})
    return {each["name"]: each for each in answer["hosts"]}


def forget(lan: Lan, *names: str, dry: bool = False) -> dict[str, Any]:
    return lan.server.admin.post("/api/v1/forget", {"names": list(names), "dry_run": dry})


def names(lan: Lan) -> list[str]:
    return [host["name"] for host in lan.server.admin.hosts(fields=["name"])]


def test_each_hears_what_was_before(lan: Lan) -> None:
    first = put(lan, {"name": "web1", **WEB1})["web1"]
    assert (first["changed"], first["before"]) == (True, None)
    again = put(lan, {"name": "web1", **WEB1})["web1"]
    assert (again["changed"], again["before"], again["key"]) == (False, WEB1, first["key"])
    moved = put(lan, {"name": "web1", **WEB1, "group": "rack1"})["web1"]
    assert (moved["changed"], moved["before"]) == (True, WEB1)


def test_a_dry_run_foretells_and_registers_nobody(lan: Lan) -> None:
    put(lan, {"name": "web1", **WEB1})
    key = put(lan, {"name": "web1", **WEB1})["web1"]["key"]
    told = put(
        lan,
        {"name": "web1", **WEB1},
        {"name": "web2", "macs": ["02:4c:00:00:00:04"], "group": "rak1"},
        {"name": "web3", "macs": ["02:4c:00:00:00:03"]},
        {"name": "web4", "macs": ["02:4c:00:00:00:04"]},
        {"name": "web5", "macs": ["02:4c:00"]},
        dry=True,
    )
    assert (told["web1"]["changed"], told["web1"]["key"]) == (False, key)
    assert (told["web2"]["changed"], told["web2"]["before"], "key" in told["web2"]) == (True, None, False)
    assert told["web2"]["group_described"] is False
    assert (told["web3"]["status"], told["web3"]["error"]) == (
        409,
        "02:4c:00:00:00:03 is registered for web1: 'powerwake forget web1' frees it",
    )
    assert told["web4"]["status"] == 409 and "registered for web2" in told["web4"]["error"]
    assert told["web5"]["status"] == 400 and told["web5"]["error"].startswith("macs: ")
    assert names(lan) == ["web1"]


def test_many_are_forgotten_at_once_and_no_others(lan: Lan) -> None:
    put(lan, *({"name": f"web{n}", "macs": [f"02:4c:00:00:00:{n:02x}"]} for n in range(1, 4)))
    told = forget(lan, "web1", "web9", "web2", dry=True)
    assert [each["changed"] for each in told["hosts"]] == [True, False, True]
    assert names(lan) == ["web1", "web2", "web3"]
    done = forget(lan, "web1", "web9", "web2")
    assert done["hosts"] == told["hosts"] and names(lan) == ["web3"]
    assert forget(lan, "web1")["changed"] is False


def test_a_host_that_is_named_twice_is_refused(lan: Lan) -> None:
    with pytest.raises(Refused, match="names: web1 is given twice"):
        forget(lan, "web1", "web1")


def test_ten_thousand_hosts_in_one_request(lan: Lan) -> None:
    hosts = [{"name": f"n{n:05}", "macs": [f"02:4c:00:00:{n >> 8:02x}:{n & 255:02x}"]} for n in range(10_000)]
    begun = time.monotonic()
    done = lan.server.admin.put("/api/v1/hosts", {"hosts": hosts}, timeout=120)
    print(f"registered after {time.monotonic() - begun:.1f} s")
    assert all(each["changed"] for each in done["hosts"])
    begun = time.monotonic()
    assert lan.server.admin.put("/api/v1/hosts", {"hosts": hosts, "dry_run": True}, timeout=120)["changed"] is False
    print(f"foretold after {time.monotonic() - begun:.1f} s")
    begun = time.monotonic()
    assert len(names(lan)) == 10_000
    print(f"read after {time.monotonic() - begun:.1f} s")
    begun = time.monotonic()
    names_of_all = [host["name"] for host in hosts]
    assert lan.server.admin.post("/api/v1/forget", {"names": names_of_all}, timeout=120)["changed"] is True
    print(f"forgotten after {time.monotonic() - begun:.1f} s")
    assert names(lan) == []
