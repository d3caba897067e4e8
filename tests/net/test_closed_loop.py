# SPDX-License-Identifier: GPL-3.0-or-later
"""Ways of waking, the budget and what is told of a wake, with real packets."""

from __future__ import annotations

import json
import socket
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tests.net.lan import Lan, Node, on_each_path, run, wait_for

from powernap.shared.wakeapi import Refused


def wakes(lan: Lan, name: str = "web1") -> list[dict[str, Any]]:
    return list(lan.server.admin.get(f"/api/v1/hosts/{name}/wakes")["wakes"])


def powerwake(lan: Lan, *arguments: str) -> str:
    return run(sys.executable, "-m", "powernap", "powerwake", *arguments, "--socket", lan.server.admin.path).stdout


def program(path: Path, text: str) -> str:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return json.dumps([str(path)])


def begin_to_connect(desk: Node, address: str) -> socket.socket:
    def act() -> socket.socket:
        knocking = socket.socket()
        knocking.setblocking(False)
        knocking.connect_ex((address, 80))
        return knocking

    return desk.inside(act)


@on_each_path
def test_the_whole_story_of_a_wake_is_told(lan: Lan) -> None:
    desk, web1 = lan.client(), lan.sleeper()
    listener = web1.listen(80)
    web1.nap()
    web1.resume_delay = 1.2
    connection, _ = desk.connect(web1.ipv4, 80)
    port = connection.getsockname()[1]
    lan.wait_for_state("web1", "awake")
    wake = wait_for(lambda: next((wake for wake in wakes(lan) if wake["result"] == "woken"), None))
    knock = wake["knocks"][0]["by"]
    assert (knock["address"], knock["mac"], knock["port"], knock["to_port"]) == (desk.ipv4, desk.mac, port, 80)
    assert wake["volleys"][0]["ways"]["ethernet"]["packets"] >= 2
    assert wake["verified"] in ("hello", "answer", "frame") and 1 <= wake["seconds"] < 10
    assert wake["probes"] and wake["replays"] and "restored" in wake["at"]
    assert ("kernel" in wake["at"]) == (lan.server.path == "ebpf"), "who sent the first magic packet"
    status = powerwake(lan, "status", "web1")
    assert f"{desk.ipv4}:{port} ({desk.mac})" in status and "volley 1" in status
    listed = powerwake(lan, "wakes")
    assert "web1" in listed and "woken" in listed
    listener.close()


@pytest.mark.parametrize("way", ["ethernet", "udp_broadcast", "udp_directed", "udp_unicast"])
def test_each_way_of_waking_wakes_by_itself(bare_lan: Lan, way: str) -> None:
    bare_lan.server.settings["methods"] = f'["{way}"]'
    bare_lan.server.start()
    web1 = bare_lan.sleeper()
    web1.nap()
    answer = bare_lan.server.admin.post("/api/v1/wake", {"target": "web1", "timeout_seconds": 20})
    assert answer["changed"] and answer["magic_packets"] >= 1
    assert set(wakes(bare_lan)[0]["volleys"][0]["ways"]) == {way}


def test_a_host_that_hears_no_magic_packet_is_woken_by_the_sites_program(bare_lan: Lan, tmp_path: Path) -> None:
    script = program(tmp_path / "power-on", f'echo "$POWERNAP_HOST $POWERNAP_MACS" >{tmp_path}/asked; echo is on')
    bare_lan.server.settings |= {"methods": '["ethernet", "exec@1.5"]', "exec": script}
    bare_lan.server.start()
    desk, web1 = bare_lan.client(), bare_lan.sleeper()
    listener = web1.listen(80)
    web1.nap()
    web1.lose = 1000
    begun = time.monotonic()
    knocking = begin_to_connect(desk, web1.ipv4)
    wait_for((tmp_path / "asked").exists)
    assert time.monotonic() - begun > 1
    assert (tmp_path / "asked").read_text().split() == ["web1", web1.mac]
    web1.wake()
    listener.settimeout(15)
    listener.accept()
    knocking.close()
    wake = wait_for(lambda: next((wake for wake in wakes(bare_lan) if wake["result"] == "woken"), None))
    assert [(outcome["way"], outcome["text"]) for outcome in wake["outcomes"]] == [("exec", "is on")]


def test_a_host_that_does_not_wake_is_told_to_the_sites_program(bare_lan: Lan, tmp_path: Path) -> None:
    told = tmp_path / "told"
    bare_lan.server.settings |= {
        "alert": program(tmp_path / "alert", f"cat >{told}.new; mv {told}.new {told}"),
        "volleys": "2",
        "volley_seconds": "1",
        "resume_timeout_seconds": "1",
    }
    bare_lan.server.start()
    web1 = bare_lan.sleeper()
    web1.nap()
    web1.lose = 1000
    with pytest.raises(Refused):
        bare_lan.server.admin.post("/api/v1/wake", {"target": "web1", "timeout_seconds": 2})
    wait_for(told.exists)
    alert = json.loads(told.read_text())
    assert (alert["host"], alert["event"]) == ("web1", "alert") and "did not wake" in alert["detail"]
    web1.end()


@on_each_path
def test_a_host_beyond_the_budget_waits_for_its_turn_and_says_so(bare_lan: Lan) -> None:
    bare_lan.server.settings["wakes_per_minute"] = "12"
    bare_lan.server.start()
    desk = bare_lan.client()
    first, second = bare_lan.sleeper("web1", 3), bare_lan.sleeper("web2", 4)
    listener = second.listen(80)
    for host in (first, second):
        host.nap()
    bare_lan.server.admin.post("/api/v1/wake", {"target": "web1", "timeout_seconds": 10})
    knocking = begin_to_connect(desk, second.ipv4)
    wait_for(lambda: bare_lan.server.admin.get("/api/v1/hosts/web2")["waits_for_turn"])
    assert bare_lan.server.admin.get("/api/v1/status")["waiting_for_turn"] == 1
    assert not second.magic_at
    assert "waking (waits for its turn)" in powerwake(bare_lan, "list")
    listener.settimeout(20)
    listener.accept()
    knocking.close()
    wake = wait_for(lambda: next((wake for wake in wakes(bare_lan, "web2") if wake["result"] == "woken"), None))
    assert wake["at"]["turn"] > 2 and wake["volleys"][0]["at"] == pytest.approx(wake["at"]["turn"], abs=0.5)
