# SPDX-License-Identifier: GPL-3.0-or-later
"""What hosts and administrators hear from a real powerwaked: every refusal is one sentence with its remedy."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
from tests.net.lan import Lan, Sleeper, run, wait_for
from tests.net.sleeper import REFUSED

from powernap.shared.errors import Refused
from powernap.shared.wakeapi import WakeServer, host_path


@pytest.fixture(scope="module")
def shared(impatient_lan: Lan) -> Lan:
    return impatient_lan


@pytest.fixture(scope="module")
def web1(shared: Lan) -> Sleeper:
    return shared.sleeper("web1", 3)


def refused(lan: Lan, method: str, *arguments: Any) -> tuple[int, str]:
    with pytest.raises(Refused) as caught:
        getattr(lan.server.admin, method)(*arguments)
    return caught.value.status, str(caught.value)


# Hosts


def test_an_unknown_host_and_a_wrong_key_hear_the_same(web1: Sleeper) -> None:
    body = web1.registration()
    unknown = web1.say("asleep", body, name="nobody")
    wrong = web1.say("asleep", body, key="11" * 32)
    empty = web1.say("asleep", body, name="nobody", key="00" * 32)
    assert unknown[0] == wrong[0] == empty[0] == 401
    assert unknown[1] == {"error": wrong[1]["error"].replace("web1", "nobody")}
    assert "powerwake register" in wrong[1]["error"]


def test_a_replayed_request_is_refused(web1: Sleeper) -> None:
    used = web1.sequence + 1
    assert web1.say("awake", {"cause": "boot"}, sequence=used)[0] == 200
    for sequence in (used, used - 1, 1):
        status, content = web1.say("awake", {"cause": "cancelled"}, sequence=sequence)
        assert status == REFUSED and str(sequence) in content["error"]
    assert web1.say("awake", {"cause": "boot"}, sequence=0)[0] == 400


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"action": "explode"}, "action"),
        ({"interfaces": []}, "interfaces"),
        ({"interfaces": [{"mac": "what", "addresses": []}]}, "interfaces[0].mac"),
        ({"interfaces": [{"mac": "02:4c:00:00:00:03", "addresses": ["198.18.0.999"]}]}, "interfaces[0].addresses"),
        ({"interfaces": ["eth0"]}, "interfaces[0]"),
        ({"tcp_ports": "90-80"}, "tcp_ports"),
        ({"udp_ports": "http"}, "udp_ports"),
        ({"lease_seconds": True}, "lease_seconds"),
        ({"lease_seconds": 1}, "lease_seconds"),
        ({"lease_seconds": None}, "lease_seconds"),
        ({"tcp_ports": None}, "tcp_ports"),
        ({"answer_ping": "yes"}, "answer_ping"),
        ({"interfaces": [{"mac": "02:4c:00:00:00:03", "addresses": ["ff02::1/64"]}]}, "interfaces[0].addresses"),
        ({"password": "secret"}, "password"),
        ({"password": 7}, "password"),
    ],
)
def test_a_bad_registration_is_refused_by_the_name_of_its_field(
    web1: Sleeper, change: dict[str, Any], field: str
) -> None:
    status, content = web1.say("asleep", web1.registration(**change))
    assert status == REFUSED
    assert content["error"].startswith(f"{field}:")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"\xff\xfe", b"[" * 30000])
def test_what_is_no_json_object_is_refused(web1: Sleeper, body: bytes) -> None:
    status, content = web1.say("asleep", body)
    assert status in (400, REFUSED) and content["error"]


def test_an_endless_body_is_refused(web1: Sleeper) -> None:
    status, content = web1.say("asleep", b"x" * 100_000)
    assert status == 413 and "longer than" in content["error"]


def test_a_host_on_no_segment_here_is_told_so(web1: Sleeper) -> None:
    card = {"name": "eth0", "mac": web1.mac, "addresses": ["10.9.8.7/24", "fe80::1/64"]}
    status, content = web1.say("asleep", web1.registration(interfaces=[card]))
    assert status == REFUSED
    assert "10.9.8.7/24" in content["error"] and "198.18.0.0/16" in content["error"]


def test_the_card_of_another_host_cannot_be_registered(shared: Lan, web1: Sleeper) -> None:
    other = shared.sleeper("card1", 14)
    card = {"name": "eth0", "mac": web1.mac, "addresses": [f"{web1.ipv4}/16"]}
    theirs = {"name": "eth1", "mac": other.mac, "addresses": []}
    status, content = web1.say("asleep", web1.registration(interfaces=[card, theirs]))
    assert status == REFUSED and other.mac in content["error"] and "card1" in content["error"]


def test_the_wake_servers_own_address_cannot_be_registered(shared: Lan, web1: Sleeper) -> None:
    card = {"name": "eth0", "mac": web1.mac, "addresses": [f"{shared.server.ipv4}/16"]}
    status, content = web1.say("asleep", web1.registration(interfaces=[card]))
    assert status == REFUSED and "own address" in content["error"]


def test_the_address_of_another_sleeper_cannot_be_registered(shared: Lan, web1: Sleeper) -> None:
    other = shared.sleeper("file1", 4)
    assert other.say("asleep", other.registration())[0] == 200
    card = {"name": "eth0", "mac": web1.mac, "addresses": [f"{other.ipv4}/16"]}
    status, content = web1.say("asleep", web1.registration(interfaces=[card]))
    assert status == REFUSED and "file1" in content["error"]
    assert other.say("awake", {"cause": "cancelled"})[0] == 200


# Administrators


def test_a_host_is_registered_once_and_only_changes_count(shared: Lan) -> None:
    path, facts = host_path("laptop1"), {"macs": ["02-4C-00-00-00-05"], "addresses": ["198.18.0.5/16"]}
    first = shared.server.admin.put(path, facts)
    again = shared.server.admin.put(path, facts)
    assert (first["changed"], again["changed"]) == (True, False)
    assert first["key"] == again["key"] == shared.server.admin.get(f"{path}/key")["key"]
    assert len(bytes.fromhex(first["key"])) == 32
    host = first["host"]
    assert (host["macs"], host["addresses"], host["wake_on"]) == (["02:4c:00:00:00:05"], ["198.18.0.5"], "demand")
    changed = shared.server.admin.put(path, {**facts, "wake_on": "never"})
    assert changed["changed"] and changed["host"]["wake_on"] == "never" and changed["key"] == first["key"]
    grouped = shared.server.admin.put(path, {**facts, "group": "rack1"})
    assert grouped["changed"] and (grouped["host"]["group"], grouped["host"]["wake_on"]) == ("rack1", "demand")
    assert grouped["host"]["registered"]["group"] == "rack1" and grouped["key"] == first["key"]
    assert shared.server.admin.delete(path) == {"changed": True}
    assert shared.server.admin.delete(path) == {"changed": False}


@pytest.mark.parametrize(
    ("facts", "field"),
    [
        ({}, "macs"),
        ({"macs": []}, "macs"),
        ({"macs": ["02:4c"]}, "macs"),
        ({"macs": ["02:4c:00:00:00:06"], "addresses": ["nowhere"]}, "addresses"),
        ({"macs": ["02:4c:00:00:00:06"], "wake_on": "monday"}, "wake_on"),
        ({"macs": ["02:4c:00:00:00:06"], "group": "rack 1"}, "group"),
        ({"macs": ["02:4c:00:00:00:06"], "mac": "02:4c:00:00:00:06"}, "mac"),
    ],
)
def test_bad_facts_are_refused_by_the_name_of_their_field(shared: Lan, facts: dict[str, Any], field: str) -> None:
    status, sentence = refused(shared, "put", host_path("desk1"), facts)
    assert status == 400 and sentence.startswith(f"{field}:")


def test_a_card_belongs_to_one_host(shared: Lan, web1: Sleeper) -> None:
    status, sentence = refused(shared, "put", host_path("thief"), {"macs": [web1.mac]})
    assert status == 409 and "web1" in sentence


def test_unknown_hosts_and_paths_and_methods(shared: Lan) -> None:
    assert refused(shared, "get", host_path("nobody"))[0] == 404
    assert refused(shared, "get", "/v2")[0] == 404
    assert refused(shared, "delete", "/api/v1/status")[0] == 405
    assert refused(shared, "put", host_path("a b"), {"macs": ["02:4c:00:00:00:06"]})[0] == 400
    assert refused(shared, "post", "/api/v1/wake", {"target": "nobody"})[0] == 404
    assert refused(shared, "post", "/api/v1/wake", {"target": "web1", "timeout_seconds": -1})[0] == 400
    assert refused(shared, "get", "/api/v1/events?since=x")[0] == 400


def test_waking_a_host_that_is_awake_changes_nothing(shared: Lan, web1: Sleeper) -> None:
    for target in ("web1", web1.mac, web1.mac.upper(), web1.ipv4):
        done = shared.server.admin.post("/api/v1/wake", {"target": target, "timeout_seconds": 5})
        assert (done["name"], done["was"], done["changed"], done["magic_packets"]) == ("web1", "awake", False, 0)
        assert done["seconds"] < 1


def test_a_host_as_the_role_registers_it_is_found_awake(shared: Lan) -> None:
    facts = {"macs": ["02:4c:00:00:00:15", "02:4c:00:00:00:fe"], "addresses": ["10.9.8.7", "198.18.0.21", "fd4c::15"]}
    shared.sleeper("laptop2", 21, **facts)
    done = shared.server.admin.post("/api/v1/wake", {"target": "laptop2", "timeout_seconds": 5})
    assert (done["was"], done["changed"], done["magic_packets"]) == ("awake", False, 0)


def test_a_host_without_given_addresses_is_asked_by_what_it_last_registered(shared: Lan) -> None:
    host = shared.sleeper("laptop3", 22, addresses=[])
    host.nap()
    woken = shared.server.admin.post("/api/v1/wake", {"target": "laptop3", "timeout_seconds": 10})
    shared.wait_for_state("laptop3", "awake", 10)
    again = shared.server.admin.post("/api/v1/wake", {"target": "laptop3", "timeout_seconds": 5})
    assert (woken["changed"], again["was"], again["changed"], again["magic_packets"]) == (True, "awake", False, 0)


def test_a_host_that_has_another_address_now_is_awake_all_the_same(shared: Lan) -> None:
    host = shared.sleeper("laptop4", 23)
    host.run("ip", "addr", "del", f"{host.ipv4}/16", "dev", "eth0")
    host.run("ip", "addr", "add", "198.18.0.99/16", "dev", "eth0")
    host.run("sh", "-c", "for i in $(seq 15); do ping -c1 -W0.3 198.18.0.250; done >/dev/null 2>&1 &")
    done = shared.server.admin.post("/api/v1/wake", {"target": "laptop4", "timeout_seconds": 5})
    assert done["state"] == "awake"


def test_waking_a_sleeper_takes_as_long_as_it_takes(shared: Lan, web1: Sleeper) -> None:
    web1.nap()
    web1.resume_delay = 0.5
    done = shared.server.admin.post("/api/v1/wake", {"target": "web1", "timeout_seconds": 10})
    assert (done["was"], done["state"], done["changed"]) == ("asleep", "awake", True)
    assert 0.5 <= done["seconds"] < 2 and done["magic_packets"] >= 3
    last = shared.server.admin.get(host_path("web1"))["last_wake"]
    assert last["reason"] == "order"


def test_a_host_that_does_not_wake_is_an_error_and_an_alert(shared: Lan) -> None:
    shared.server.admin.put(host_path("dead1"), {"macs": ["02:4c:00:00:00:66"], "addresses": ["198.18.0.66"]})
    status, sentence = refused(shared, "post", "/api/v1/wake", {"target": "dead1", "timeout_seconds": 0.7})
    assert status == 504 and "magic packets" in sentence
    wait_for(lambda: shared.events("dead1", "alert"))
    assert shared.state("dead1") == "unreachable"


def test_events_are_numbered_and_can_be_followed(shared: Lan, web1: Sleeper) -> None:
    first = shared.server.admin.get("/api/v1/events?since=0")
    assert shared.server.admin.get(f"/api/v1/events?since={first['next']}")["events"] == []
    web1.say("awake", {"cause": "boot"})
    new = shared.server.admin.get(f"/api/v1/events?since={first['next']}")["events"]
    assert [event["event"] for event in new][:1] == ["hello"]
    assert abs(new[0]["time"] - time.time()) < 10


def test_only_root_may_administer_and_read_keys(shared: Lan) -> None:
    for name in ("admin.sock", "registry.sqlite"):
        assert stat.S_IMODE((shared.server.directory / name).stat().st_mode) == 0o600


# powerwake


def powerwake(lan: Lan, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "powernap", "powerwake", *arguments, "--socket", lan.server.admin.path]
    return lan.server.run(*command, check=False)


def test_powerwake_tells_what_it_did(shared: Lan, web1: Sleeper) -> None:
    assert "web1 was awake" in powerwake(shared, "wake", "web1").stdout
    registered = powerwake(
        shared, "register", "nas1", "--mac", "02:4c:00:00:00:07", "--address", "198.18.0.7", "--json"
    )
    assert json.loads(registered.stdout)["changed"] is True
    listed = powerwake(shared, "list").stdout
    assert "nas1" in listed and "198.18.0.7" in listed
    assert "02:4c:00:00:00:07" in powerwake(shared, "status", "nas1").stdout
    assert "packet path: " in powerwake(shared, "status").stdout
    assert "forgotten" in powerwake(shared, "forget", "nas1").stdout
    assert "was not registered" in powerwake(shared, "forget", "nas1").stdout


def test_powerwake_refuses_with_one_sentence(shared: Lan) -> None:
    missing = powerwake(shared, "wake", "nobody")
    assert missing.returncode == 1 and missing.stderr.count("\n") == 1 and "register" in missing.stderr
    bad = powerwake(shared, "register", "nas1", "--mac", "x", "--json")
    assert bad.returncode == 1 and "MAC" in json.loads(bad.stdout)["error"]


def test_powerwake_without_a_server_sends_the_magic_packet_itself(shared: Lan, web1: Sleeper) -> None:
    web1.nap()
    sent = shared.server.run(
        sys.executable, "-m", "powernap", "powerwake", "wake", web1.mac, "--socket", "/nonexistent", check=False
    )
    assert sent.returncode == 0 and "cannot be verified" in sent.stdout
    wait_for(lambda: web1.ready_at and shared.state("web1") == "awake")
    none = shared.server.run(
        sys.executable, "-m", "powernap", "powerwake", "wake", "web1", "--socket", "/nonexistent", check=False
    )
    assert none.returncode == 2 and "only a MAC address" in none.stderr


# Starting


def start(lan: Lan, *wrap: str, config: Path | None = None) -> subprocess.CompletedProcess[str]:
    """A powerwaked that is expected to end at once."""
    command = [*wrap, sys.executable, "-m", "powernap", "powerwaked", "--config", str(config or lan.server.configure())]
    return lan.server.run(*command, check=False)


def test_what_is_missing_at_the_start_is_said_in_one_sentence(bare_lan: Lan) -> None:
    server = bare_lan.server

    def fails(*wrap: str) -> str:
        done = start(bare_lan, *wrap)
        assert done.returncode == 2, done
        last = done.stderr.strip().splitlines()[-1]
        assert last.startswith("powerwaked: ") and "Traceback" not in done.stderr
        return last

    assert "CAP_NET_RAW" in fails("setpriv", "--inh-caps=-all", "--bounding-set=-all")
    server.settings["interfaces"] = '["eth7"]'
    assert "eth7" in fails()
    server.settings["interfaces"] = '["lo"]'
    assert "not an Ethernet" in fails()
    del server.settings["interfaces"]
    registry = server.directory / "registry.sqlite"
    registry.unlink()
    registry.mkdir()
    assert str(registry) in fails()
    registry.rmdir()
    registry.write_bytes(b"this is no database, but long enough to look like one" * 100)
    assert str(registry) in fails()
    registry.unlink()
    server.start()
    assert "another powerwaked" in fails()
    config = server.configure()
    config.write_text(config.read_text().replace("registry.sqlite", "other.sqlite"))
    assert "20709" in start(bare_lan, config=config).stderr


def test_a_full_disk_refuses_the_nap_and_says_so(bare_lan: Lan) -> None:
    server = bare_lan.server
    disk = server.directory / "disk"
    disk.mkdir()
    config = server.configure()
    config.write_text(config.read_text().replace(f"{server.directory}/registry", f"{disk}/registry"))
    script = (
        f"mount -t tmpfs -o size=640k tmpfs {disk} && exec {sys.executable} -m powernap powerwaked --config {config}"
    )
    with server.log.open("ab") as log:
        command = ["ip", "netns", "exec", server.namespace, "unshare", "-m", "sh", "-c", script]
        server.process = subprocess.Popen(command, stderr=log, stdout=log)
    wait_for(server._is_up)
    web1 = bare_lan.sleeper()
    server.ca = Path(f"/proc/{server.process.pid}/root{disk}/tls/ca.pem")
    inside = f"/proc/{server.process.pid}/root{disk}/filler"
    assert web1.say("awake", {"cause": "boot"})[0] == 200
    run("sh", "-c", f"dd if=/dev/zero of={inside} bs=4k count=200 2>/dev/null || true")
    statuses = []
    for _ in range(40):
        status, content = web1.say("asleep", web1.registration())
        statuses.append(status)
        if status == REFUSED:
            break
    assert statuses[-1] == REFUSED, statuses
    assert content["again_seconds"] > 0
    assert f"{disk}/registry.sqlite" in content["error"] and "free space" in content["error"]
    Path(inside).unlink()
    assert web1.say("asleep", web1.registration())[0] == 200


def test_it_runs_as_a_user_with_that_one_capability(bare_lan: Lan, request: pytest.FixtureRequest) -> None:
    server = bare_lan.server
    again = f"import aiohttp, powernap.shared, subprocess; subprocess.run([{sys.executable!r}, '-c', ''], check=True)"
    reachable = ["setpriv", "--reuid=65534", "--clear-groups", sys.executable, "-c", again]
    if run(*reachable, check=False).returncode:
        pytest.skip("this Python is out of reach for user nobody")
    server.directory = Path(tempfile.mkdtemp(prefix="powerwaked"))
    server.admin = WakeServer(str(server.directory / "admin.sock"))
    server.ca = server.directory / "tls" / "ca.pem"
    request.addfinalizer(lambda: shutil.rmtree(server.directory))
    os.chown(server.directory, 65534, 65534)
    user = ["setpriv", "--reuid=65534", "--clear-groups", "--inh-caps=+net_raw", "--ambient-caps=+net_raw"]
    bare_lan.server.command = lambda config: [
        *user, sys.executable, "-m", "powernap", "powerwaked", "--config", str(config)
    ]  # fmt: skip
    server.start()
    web1, desk = bare_lan.sleeper(), bare_lan.client()
    listener = web1.listen(80)
    web1.nap()
    desk.connect(web1.ipv4, 80)
    listener.close()
