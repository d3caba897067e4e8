# SPDX-License-Identifier: GPL-3.0-or-later
"""The wake server on multicast DNS: seen by avahi-browse, and what it hears is a hint and no more."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.net.lan import Lan, Node, addresses, run, wait_for
from tests.net.mdns import Announcer, Avahi, avahi, missing
from tests.net.test_enrolment import registered, started

SERVERS, CLIENTS = "_powerwake._tcp", "_powernap._tcp"


@pytest.fixture
def witness(bare_lan: Lan, tmp_path: Path) -> Iterator[Avahi]:
    if missing():
        pytest.skip(missing())
    with avahi(bare_lan.client("witness", 20), tmp_path / "witness") as made:
        yield made


def announced(lan: Lan) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in lan.server.admin.get("/api/v1/announced")["announced"]}


def test_it_is_published_with_its_port_and_the_fingerprint_of_its_authority(bare_lan: Lan, witness: Avahi) -> None:
    bare_lan.server.discovery = "auto"
    started(bare_lan)
    wait_for(lambda: witness.names(SERVERS), 60, 0.3)
    line = witness.browse(SERVERS)[0]
    status = bare_lan.server.admin.get("/api/v1/status")
    own = {bare_lan.server.ipv4, bare_lan.server.ipv6}  # it is published with both, and avahi-browse shows one
    assert line[7] in own and line[8] == "20709"
    assert f'"fp={status["ca_fingerprint"]}"' in line[9] and len(status["ca_fingerprint"]) == 64
    assert status["discovery"]["publishes"].startswith("zeroconf")
    bare_lan.server.stop()
    wait_for(lambda: not witness.names(SERVERS), 30, 0.3)


def test_who_announces_himself_is_a_hint_and_who_is_gone_stays_registered(bare_lan: Lan, witness: Avahi) -> None:
    bare_lan.server.discovery = "auto"
    started(bare_lan)
    node = bare_lan.client("web1", 22)
    bare_lan.server.admin.put("/api/v1/hosts/web1", {"macs": [node.mac]})
    web1 = Announcer(node, "zeroconf", "publish", CLIENTS, "web1", "first")
    web2 = Announcer(bare_lan.client("web2", 23), "zeroconf", "publish", CLIENTS, "web2", "first")
    wait_for(lambda: set(announced(bare_lan)) == {"web1", "web2"}, 60, 0.2)
    assert list(registered(bare_lan)) == ["web1"] and not bare_lan.server.admin.get("/api/v1/pending")["pending"]
    web1.end()
    wait_for(lambda: not announced(bare_lan)["web1"]["announced"], 30, 0.2)
    assert list(registered(bare_lan)) == ["web1"]
    web2.kill()


def test_where_multicast_dns_cannot_be_used_it_is_one_warning_and_it_runs(bare_lan: Lan) -> None:
    script = "import socket, time; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('', 5353)); "
    held = Node.start(bare_lan.server, "python3", "-c", script + "time.sleep(600)")
    try:
        bare_lan.server.discovery = "auto"
        started(bare_lan)
        trouble = wait_for(lambda: bare_lan.server.admin.get("/api/v1/status")["discovery"]["trouble"], 60, 0.2)
        assert "another program holds its port 5353 alone" in trouble
        assert bare_lan.server.log.read_text().count("clients cannot find this wake server") == 1
        assert bare_lan.server.admin.get("/api/v1/health")["status"] == "ok"
    finally:
        held.kill()
        held.wait(10)


def test_an_address_that_comes_later_is_used_too(bare_lan: Lan, witness: Avahi) -> None:
    server = bare_lan.server
    ipv4, _ipv6 = addresses(server.number)
    run("ip", "-n", server.namespace, "addr", "flush", "dev", "eth0")
    bare_lan.server.discovery = "auto"
    started(bare_lan)
    wait_for(lambda: server.admin.get("/api/v1/status")["discovery"]["trouble"], 60, 0.2)
    run("ip", "-n", server.namespace, "addr", "add", f"{ipv4}/16", "dev", "eth0")
    wait_for(lambda: witness.names(SERVERS), 60, 0.3)
    assert not server.admin.get("/api/v1/status")["discovery"]["trouble"]
