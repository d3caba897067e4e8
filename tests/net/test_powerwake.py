# SPDX-License-Identifier: GPL-3.0-or-later
"""powerwake's commands beside a running powerwaked: what they show, and how they follow it across a restart."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from tests.net.lan import Lan, wait_for


def powerwake(lan: Lan, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "powernap", "powerwake", *arguments, "--socket", lan.server.admin.path]


def shown(lan: Lan, *arguments: str) -> str:
    return lan.server.run(*powerwake(lan, *arguments)).stdout


@pytest.fixture
def watch(lan: Lan) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    lan.sleeper()
    command = ["ip", "netns", "exec", lan.server.namespace, *powerwake(lan, "watch", "web1", "--json")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    lines: list[str] = []

    def keep(stream: Any) -> None:
        lines.extend(iter(stream.readline, ""))

    for stream in (process.stdout, process.stderr):
        threading.Thread(target=keep, args=(stream,), daemon=True).start()
    yield process, lines
    process.kill()
    process.wait(10)


def test_watch_follows_events_across_a_restart(lan: Lan, watch: tuple[subprocess.Popen[str], list[str]]) -> None:
    process, lines = watch
    body = {"macs": ["02:4c:00:00:00:03"], "addresses": ["198.18.0.3"]}

    def told(event: str) -> Any:
        return next((line for line in lines if line.startswith("{") and json.loads(line)["event"] == event), None)

    def changed() -> Any:
        body["wake_on"] = "arp" if body.get("wake_on") == "demand" else "demand"  # type: ignore[assignment]
        lan.server.admin.put("/api/v1/hosts/web1", body)
        return told("enrolled")

    wait_for(changed, step=0.3)
    lan.server.admin.put("/api/v1/hosts/other", {"macs": ["02:4c:00:00:00:44"]})
    lan.server.stop()
    wait_for(lambda: any("waiting for it to come back" in line for line in lines))
    lan.server.start()
    wait_for(lambda: any("answers again" in line for line in lines))
    lan.server.admin.delete("/api/v1/hosts/web1")
    wait_for(lambda: told("forgotten"))
    assert not any("other" in line for line in lines)
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 130


def test_status_and_list_show_what_the_server_knows(lan: Lan) -> None:
    desk, web1 = lan.client(), lan.sleeper()
    listener = web1.listen(80)
    web1.nap(tcp="80,8000-8099")
    asleep = shown(lan, "status", "web1")
    assert asleep.startswith("web1: napping for") and "TCP 80,8000-8099" in asleep and "last wake: none" in asleep
    desk.connect(web1.ipv4, 80)[0].close()
    lan.wait_for_state("web1", "awake", 10)
    (row,) = (line for line in shown(lan, "list").splitlines() if line.startswith("web1"))
    assert "awake" in row and "demand, " in row and web1.mac in row and web1.ipv4 in row
    assert f"from {desk.ipv4}:" in shown(lan, "status", "web1")
    server = shown(lan, "status")
    assert "machines: 1 awake" in server and f"eth0: up, {lan.server.mac}, {lan.server.ipv4}/16" in server
    assert "packet path: " in server and "frames heard" in server
    assert "answers and wakes " in server
    assert json.loads(shown(lan, "status", "--json"))["hosts"] == 1
    assert json.loads(shown(lan, "list", "--json"))["hosts"][0]["name"] == "web1"
    listener.close()


def test_a_machine_is_put_into_a_group_and_out_of_it(lan: Lan) -> None:
    register = ("register", "web1", "--mac", "02:4c:00:00:00:03")
    shown(lan, *register, "--group", "rack1")
    (row,) = (line for line in shown(lan, "list").splitlines() if line.startswith("web1"))
    assert row.split()[:3] == ["web1", "rack1", "unknown"]  # nobody has seen it yet
    described = "which no [groups.rack1] describes: all is as in [wake]"
    status = shown(lan, "status", "web1")
    assert f"in group rack1, {described}" in status
    assert "wakes on: demand; the ports are those on which it listens when it goes to sleep" in status
    assert "was registered so already" in shown(lan, *register, "--group", "rack1")
    assert "is registered" in shown(lan, *register)
    assert "in group" not in shown(lan, "status", "web1")


def test_who_forgets_a_sleeper_hears_that_nobody_stands_in_for_it(lan: Lan) -> None:
    web1 = lan.sleeper()
    web1.nap()
    forgotten = lan.server.run(*powerwake(lan, "forget", "web1"))
    assert forgotten.stdout == "web1 is forgotten\n"
    assert f"web1 was napping and wakes by no demand any more: run 'powerwake wake {web1.mac}'" in forgotten.stderr
    assert not lan.server.run(*powerwake(lan, "forget", "web1")).stderr
