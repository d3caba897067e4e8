# SPDX-License-Identifier: GPL-3.0-or-later
"""Demand that is not let through: rules, a limit for each source, and who cried wolf too often."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest
from tests.net.lan import Lan, on_each_path, wait_for
from tests.net.node import Node
from tests.net.sleeper import Sleeper

_QUIET_SECONDS = 1.5  # a demand that is let through wakes within 0.2 s


def powerwake(lan: Lan, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "powernap", "powerwake", *arguments, "--socket", lan.server.admin.path]
    return lan.server.run(*command, check=False)


def refused_count(lan: Lan, source: str) -> int:
    refused = lan.server.admin.get("/api/v1/criers")["refused"]
    return sum(each["count"] for each in refused if each["source"] == source)


def knocks_in_vain(lan: Lan, desk: Node, sleeper: Sleeper) -> None:
    with pytest.raises(OSError):
        desk.connect(sleeper.ipv4, 80, _QUIET_SECONDS)
    assert lan.state(sleeper.name) == "proxied"
    assert not sleeper.magic_at


@on_each_path
def test_rules_decide_who_may_wake(bare_lan: Lan) -> None:
    lan = bare_lan
    lan.server.settings |= {"allow": '["198.18.0.0/16 tcp/1-100", "10.0.0.0/8"]', "deny": '["02:4c:00:00:00:09"]'}
    lan.server.start()
    denied, allowed, web1 = lan.client(), lan.client("desk2", 10), lan.sleeper()
    listener = web1.listen(80)
    web1.nap()
    knocks_in_vain(lan, denied, web1)
    assert denied.neighbour(web1.ipv4) == lan.server.mac, "a question is answered whoever asks"
    assert refused_count(lan, denied.ipv4) >= 1
    allowed.connect(web1.ipv4, 80)
    listener.close()


def test_one_source_wakes_no_more_than_it_may_and_another_does_all_the_same(bare_lan: Lan) -> None:
    lan = bare_lan
    lan.server.settings |= {"wakes_per_source": "1"}
    lan.server.start()
    scanner, desk, web1, web2 = lan.client(), lan.client("desk2", 10), lan.sleeper(), lan.sleeper("web2", 4)
    listeners = [web1.listen(80), web2.listen(80)]
    web1.nap()
    web2.nap()
    scanner.connect(web1.ipv4, 80)
    knocks_in_vain(lan, scanner, web2)
    assert refused_count(lan, scanner.ipv4) >= 1
    desk.connect(web2.ipv4, 80)
    for listener in listeners:
        listener.close()


@on_each_path
def test_who_wakes_for_nothing_is_no_longer_believed_until_pardoned(lan: Lan) -> None:
    crier, desk, web1, web2 = lan.client(), lan.client("desk2", 10), lan.sleeper(), lan.sleeper("web2", 4)
    listener = web1.listen(80)
    web2.nap()
    web1.nap()
    for _ in range(3):
        connection, _ = crier.connect(web1.ipv4, 80)
        connection.close()
        lan.wait_for_state("web1", "awake")
        web1.nap(used=False)
    assert [event["detail"] for event in lan.events("web1", "demoted")] == [
        f"{crier.ipv4} by tcp/80: 3 of its last 3 wakes were for nothing"
    ]
    web1.magic_at.clear()
    knocks_in_vain(lan, crier, web1)
    knocks_in_vain(lan, crier, web2)
    shown = powerwake(lan, "criers").stdout
    assert crier.ipv4 in shown and f"powerwake pardon {crier.ipv4} tcp/80" in shown and "IGNORED" in shown
    desk.connect(web1.ipv4, 80)
    lan.wait_for_state("web1", "awake")
    web1.nap(used=True)

    lan.server.stop(signal.SIGKILL)
    lan.server.start()
    lan.wait_for_state("web1", "proxied")
    web1.magic_at.clear()
    knocks_in_vain(lan, crier, web1)
    assert f"{crier.ipv4} by tcp/80 is believed again" in powerwake(lan, "pardon", crier.ipv4).stdout
    began = time.monotonic()
    crier.connect(web1.ipv4, 80)
    assert time.monotonic() - began < 9
    (event,) = lan.events("", "pardoned")
    assert event["detail"] == f"{crier.ipv4} by tcp/80"
    nobody = powerwake(lan, "pardon", "198.18.0.77")
    assert nobody.returncode == 1 and "has woken nobody" in nobody.stderr
    wait_for(lambda: not lan.server.admin.get("/api/v1/criers")["criers"][0]["reason"])
    listener.close()


@on_each_path
def test_an_address_that_another_machine_uses_is_not_stood_in_for(lan: Lan) -> None:
    other, desk, web1 = lan.client(), lan.client("desk2", 10), lan.sleeper()
    desk.knows(other.ipv4)
    desk.knows(other.ipv6)
    card = {
        "name": "eth0",
        "mac": web1.mac,
        "addresses": [f"{web1.ipv4}/16", f"{other.ipv4}/16", f"{other.ipv6}/64"],
    }
    listener = web1.listen(80)
    web1.nap(interfaces=[card])
    time.sleep(_QUIET_SECONDS)
    for address in (other.ipv4, other.ipv6):
        assert desk.neighbour(address) == other.mac
    details = [event["detail"] for event in lan.events("web1", "conflict")]
    assert any(other.ipv4 in detail and other.mac in detail for detail in details)
    desk.connect(web1.ipv4, 80)
    assert desk.neighbour(other.ipv4) == other.mac
    listener.close()
