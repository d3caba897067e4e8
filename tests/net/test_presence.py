# SPDX-License-Identifier: GPL-3.0-or-later
"""What machines are, by what is seen of them on a real segment."""

from __future__ import annotations

import json
import signal
import time

import pytest
from tests.net.lan import Lan, on_each_path, wait_for
from tests.net.linked import linked, status, wait_for_status

from powernap.net import arp
from powernap.shared.wakeapi import host_path


@pytest.fixture
def lan(bare_lan: Lan) -> Lan:
    """A wake server that looks often at those who are awake."""
    drop_ins = bare_lan.server.directory / "powerwaked.d"
    drop_ins.mkdir()
    (drop_ins / "presence.toml").write_text("[presence]\nlook_seconds = 10\n")
    bare_lan.server.start()
    return bare_lan


def questions(lan: Lan) -> int:
    return int(lan.server.admin.get("/api/v1/status")["presence_questions"])


@on_each_path
def test_a_machine_that_never_said_anything_is_awake_because_it_answers(lan: Lan) -> None:
    web1 = lan.sleeper("web1", 3)
    found = wait_for_status(lan, "web1", "awake")
    assert found["evidence"] == f"ARP answer of its card {web1.mac}"
    assert found["evidence_at"] <= time.time() + 1 and "has not said anything itself" in found["why"]


@on_each_path
def test_a_machine_that_dies_without_a_word_is_unreachable(lan: Lan) -> None:
    web1 = lan.sleeper("web1", 3)
    wait_for_status(lan, "web1", "awake")
    web1.says_hello = False
    web1.sleep()  # and nobody knows of it
    found = wait_for_status(lan, "web1", "unreachable", 60)
    assert found["why"] == "does not answer"
    assert not web1.magic_at
    web1.wake()
    wait_for_status(lan, "web1", "awake", 60)
    told = [event["detail"] for event in lan.events("web1", "state")]
    assert [text.split(":")[0] for text in told] == ["awake", "unreachable", "awake"]


@on_each_path
def test_a_machine_is_what_it_says_while_its_link_is_open(lan: Lan) -> None:
    web1 = linked(lan, "web1", 3)
    found = wait_for_status(lan, "web1", "awake")
    assert found["evidence"] == "open link" and found["link"]["transport"] and found["profile"] == "server"
    activity = {"load": {"active": False, "value": 0.1, "threshold": 1.0, "unit": ""}}
    said = {"state": "warned", "since_seconds": 30, "why": "idle for 300 s", "next_at_seconds": 60}
    assert web1.tell("state", {**said, "activity": activity}).body["ok"]
    found = status(lan, "web1")
    assert (found["state"], found["why"], found["activity"]) == ("warned", "idle for 300 s", activity)
    assert 25 < time.time() - found["since"] < 60 and 30 < found["next_at"] - time.time() <= 61


def test_a_lost_link_of_a_machine_that_runs_is_told_from_a_lost_machine(lan: Lan) -> None:
    runs, dies = linked(lan, "web1", 3), linked(lan, "web2", 4)
    dies.says_hello = False
    dies.sleep()
    began = time.monotonic()
    runs.loses_link()
    dies.loses_link()  # its kernel cannot tell the server: TCP keepalive would find out; the switch does at once
    found = wait_for_status(lan, "web1", "awake", 20)
    wait_for(lambda: status(lan, "web1")["why"] == "answers, but powernapd does not", 20)
    assert found["link"] is None
    wait_for(lambda: status(lan, "web1")["evidence_at"] > found["evidence_at"] + 5, 120)  # it is asked on
    wait_for_status(lan, "web2", "unreachable", 150)
    assert time.monotonic() - began < 150
    runs.opens_link()
    assert wait_for_status(lan, "web1", "awake")["evidence"] == "open link"


def test_a_machine_that_says_bye_is_off_or_restarts_or_just_has_no_powernapd(lan: Lan) -> None:
    hosts = {cause: linked(lan, f"web{n}", n) for n, cause in enumerate(("poweroff", "reboot", "stopped"), 3)}
    for cause, host in hosts.items():
        assert host.tell("bye", {"cause": cause}).body["ok"]
        host.loses_link()
    assert wait_for_status(lan, "web3", "off")["evidence"] == "its word"
    assert "restarts" in wait_for_status(lan, "web4", "waking")["why"]
    assert "was stopped" in wait_for_status(lan, "web5", "awake")["why"]


@on_each_path
def test_a_nap_is_seen_kept_and_told(lan: Lan) -> None:
    web1 = lan.sleeper("web1", 3)
    web1.nap(action="suspend")
    found = status(lan, "web1")
    assert found["state"] == "napping" and "registered for suspend" in found["why"]
    counted = lan.server.admin.get("/api/v1/status")
    assert counted["states"]["napping"] == 1 and sum(counted["states"].values()) == counted["hosts"]
    lan.server.admin.post("/api/v1/wake", {"target": "web1"})
    web1.settle()
    wait_for_status(lan, "web1", "awake")
    (nap,) = wait_for(lambda: lan.server.admin.get(f"{host_path('web1')}/naps")["naps"])
    assert nap["action"] == "suspend" and nap["ended_by"] == "order" and nap["seconds"] > 0
    web1.nap(action="poweroff")
    assert status(lan, "web1")["state"] == "off"


@on_each_path
def test_looking_at_those_who_are_awake_wakes_nobody_who_sleeps(lan: Lan) -> None:
    asleep = [lan.sleeper(f"web{n}", n, wake_on=on) for n, on in ((3, "demand"), (4, "arp"), (5, "never"))]
    lan.sleeper("web6", 6)
    for host in asleep:
        host.nap()
    wait_for_status(lan, "web6", "awake")
    before = questions(lan)
    wait_for(lambda: questions(lan) > before, 60, 0.2)
    assert [host.magic_at for host in asleep] == [[], [], []]
    assert {lan.state(host.name) for host in asleep} == {"proxied"}


def test_no_question_for_whoever_has_a_link(lan: Lan) -> None:
    linked(lan, "web1", 3)
    wait_for_status(lan, "web1", "awake")
    time.sleep(1)
    before = questions(lan)
    time.sleep(12)  # more than a round
    assert questions(lan) == before


def test_another_card_that_answers_is_no_sign_of_life(lan: Lan) -> None:
    web1 = lan.sleeper("web1", 3)
    wait_for_status(lan, "web1", "awake")
    thief = lan.client("thief", 77)
    web1.says_hello = False
    web1.sleep()
    thief.run("ip", "addr", "add", f"{web1.ipv4}/16", "dev", "eth0")
    with thief.raw() as wire:
        mac, ip = bytes.fromhex(thief.mac.replace(":", "")), bytes(int(part) for part in web1.ipv4.split("."))
        wire.send(arp.announcement(mac, mac, ip))
    wait_for(lambda: thief.mac in status(lan, "web1")["why"], 60)
    assert status(lan, "web1")["state"] == "unreachable"


def test_a_machine_behind_a_router_is_asked_by_echo(bare_lan: Lan) -> None:
    away = bare_lan.routed_client("away", 9)
    bare_lan.server.routes_by(bare_lan.router, 1)  # type: ignore[arg-type]  # made by routed_client
    bare_lan.server.start()
    bare_lan.server.admin.put(host_path("away"), {"macs": [away.mac], "addresses": [away.ipv4]})
    assert wait_for_status(bare_lan, "away", "awake")["evidence"] == "ICMP"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_after_a_restart_what_was_known_is_known(lan: Lan, number: int) -> None:
    web1 = lan.sleeper("web1", 3)
    web2 = lan.sleeper("web2", 4)
    web1.nap()
    wait_for_status(lan, "web2", "awake")
    web2.says_hello = False
    web2.sleep()
    wait_for_status(lan, "web2", "unreachable", 60)
    time.sleep(1)
    lan.server.stop(number)
    lan.server.start()
    assert wait_for_status(lan, "web1", "napping")
    found = status(lan, "web2")
    assert found["state"] == "unreachable", json.dumps(found)
