# SPDX-License-Identifier: GPL-3.0-or-later
"""Tokens that are guessed, authorities that are false, old TLS, a full disk; and no secret in what is written."""

from __future__ import annotations

import json
import secrets
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.net.asker import Asker
from tests.net.asking import bearer, token
from tests.net.attacker import Attacker, answered, post
from tests.net.lan import Lan, run, wait_for
from tests.net.linked import linked, order
from tests.net.napper import Napper
from tests.net.sleeper import REFUSED

from powernap.shared.errors import PowernapError

FIRST = "GET /api/v1/status HTTP/1.1\r\nHost: wake1\r\nConnection: close\r\nAuthorization: {}\r\n\r\n"


@pytest.fixture
def web1(lan: Lan, tmp_path: Path) -> Iterator[Napper]:
    napper = Napper(lan.client("web1", 22), tmp_path / "web1", server=f'url = "https://{lan.server.ipv4}"')
    yield napper
    napper.stop(kill=True)


def asks(evil: Attacker, text: str) -> bytes:
    wire = evil.tls()
    wire.sendall(FIRST.format(text).encode())
    return answered(wire)


def test_tokens_that_are_guessed_are_slowed_and_logged_and_a_good_one_passes(lan: Lan) -> None:
    good, evil = bearer(token(lan, "viewer"))["Authorization"], Attacker(lan)
    number = good.split(".")[1]
    logged = lan.server.log.stat().st_size
    said = [asks(evil, f"Bearer pna1.{number}.{secrets.token_hex(32)}") for _each in range(60)]
    assert [each[9:12] for each in said[:10]] == [b"401"] * 10
    assert all(each[9:12] == b"429" and b"Retry-After: " in each for each in said[12:])
    assert asks(evil, good)[9:12] == b"200"
    for odd in ("", "Bearer", "Basic eDp5", "Bearer " + "a" * 5000, "Bearer \xff\xfe", "Bearer pne1.0.0.0"):
        assert asks(evil, odd)[9:12] in (b"401", b"429")
    written = lan.server.log.read_text()[logged:]
    assert 1 <= written.count("with a token that is not good") <= 2 and evil.ipv4 in written
    assert written.count("\n") <= 4


def test_while_tokens_of_enrolment_are_guessed_a_good_one_lets_in(lan: Lan) -> None:
    made = lan.server.admin.post("/api/v1/tokens", {"name": "test", "kind": "enrol", "uses": 1})["token"]
    prefix, fingerprint, number, _secret = made.split(".")
    node = lan.client()
    guess = Asker(node, lan.server.ipv4, "evil", token=".".join([prefix, fingerprint, number, "0" * 64]))
    said = [guess.but(key=secrets.token_hex(32)).ask()[0] for _each in range(12)]
    assert said[-1] == 429
    assert Asker(node, lan.server.ipv4, "web1", token=made).ask()[0] == 201  # from the very address
    assert Asker(node, lan.server.ipv4, "web2", token=made).ask()[0] == 429  # it was good for one


def test_old_tls_is_not_spoken(lan: Lan) -> None:
    evil = Attacker(lan)
    for version, accepted in (("-tls1", False), ("-tls1_1", False), ("-tls1_2", True), ("-tls1_3", True)):
        command = ["openssl", "s_client", "-connect", f"{lan.server.ipv4}:20709", version]
        done = evil.run(*command, "-cipher", "ALL:@SECLEVEL=0", check=False, input="")
        assert ("Cipher is (NONE)" not in done.stdout and done.returncode == 0) is accepted, done.stdout + done.stderr


def test_a_false_authority_is_refused_and_said_and_the_machine_stays_awake(lan: Lan, web1: Napper) -> None:
    """The pin is of the CA: whoever signs as somebody else after it is not believed, though all else is the same."""
    assert web1.enrol().returncode == 0
    lan.server.admin.post("/api/v1/pending/web1/approve", {})
    web1.start()
    wait_for(web1.is_linked, 60, 0.2)
    lan.server.stop()
    shutil.rmtree(lan.server.directory / "tls")
    lan.server.start()
    wait_for(lambda: not web1.is_linked(), 30, 0.2)
    wait_for(lambda: "its certificate is not of the CA in server.ca_file" in web1.status()["server"]["error"], 60, 0.5)
    assert web1.status()["state"] == "awake" and web1.status()["server"]["acknowledged"] is False
    assert "Traceback" not in web1.log.read_text()
    assert lan.server.admin.get("/api/v1/hosts/web1")["status"]["link"] is None


def test_a_full_disk_costs_no_wake_and_nothing_is_acknowledged_until_there_is_space(bare_lan: Lan) -> None:
    server = bare_lan.server
    disk = server.directory / "disk"
    disk.mkdir()
    config = server.configure()
    config.write_text(config.read_text().replace(f"{server.directory}/registry", f"{disk}/registry"))
    script = f"mount -t tmpfs -o size=1m none {disk} && exec {sys.executable} -m powernap powerwaked --config {config}"
    with server.log.open("ab") as log:
        command = ["ip", "netns", "exec", server.namespace, "unshare", "-m", "sh", "-c", script]
        server.process = subprocess.Popen(command, stderr=log, stdout=log)
    wait_for(server._is_up, 30)
    inside = Path(f"/proc/{server.process.pid}/root{disk}")
    server.ca = inside / "tls" / "ca.pem"
    web1, web2, desk = bare_lan.sleeper(), bare_lan.sleeper("web2", 4), bare_lan.client()
    enrol = {"name": "test", "kind": "enrol", "uses": 1}
    made = server.admin.post("/api/v1/tokens", enrol)["token"]
    waits = Asker(desk, server.ipv4, "web7", mac="02:4c:aa:00:00:07")
    assert waits.ask()[0] == 202
    web1.serve(80)
    web1.nap()
    run("sh", "-c", f"dd if=/dev/zero of={inside}/filler bs=4k 2>/dev/null || true")

    for _try in range(40):  # what SQLite has still room for in its files
        status, said = web2.say("asleep", web2.registration())
        if status == REFUSED:
            break
    assert status == REFUSED and "free space" in said["error"] and said["again_seconds"] > 0

    def refused(act: Callable[[], object]) -> str:
        for _try in range(60):
            try:
                act()
            except PowernapError as error:
                return str(error)
        raise AssertionError("a full disk takes everything")

    sentence = refused(lambda: server.admin.post("/api/v1/tokens", enrol))
    assert "access.sqlite" in sentence and "space" in sentence
    status, said = Asker(desk, server.ipv4, "web8", token=made).ask()
    assert status in (202, 503), said  # never 201
    assert "web8" not in [host["name"] for host in server.admin.hosts()]
    sentence = refused(lambda: server.admin.post("/api/v1/pending/web7/approve", {}))
    assert "space" in sentence
    assert [each["name"] for each in server.admin.get("/api/v1/pending")["pending"]] == ["web7"]  # as it was
    assert waits.ask()[0] in (202, 503)
    asked = time.monotonic()
    desk.connect(web1.ipv4, 80, 15)[0].close()
    assert web1.magic_at[0] - asked < 2  # the demand wakes it all the same
    web1.settle()
    (inside / "filler").unlink()
    assert wait_for(lambda: web2.say("asleep", web2.registration())[0] == 200, step=0.3)
    assert Asker(desk, server.ipv4, "web8", token=made).ask()[0] == 201
    assert server.admin.post("/api/v1/pending/web7/approve", {})["name"] == "web7"
    assert "Traceback" not in server.log.read_text(), server.log.read_text()


def test_no_secret_is_in_anything_that_was_written_or_is_told(lan: Lan, web1: Napper) -> None:
    """The registry and access.sqlite, for powerwaked's eyes only, have the keys; no log, no answer, no other file."""
    web3, evil = linked(lan, "web3", 3), Attacker(lan)
    api = {role: token(lan, role) for role in ("viewer", "admin")}
    enrol = lan.server.admin.post("/api/v1/tokens", {"name": "t", "kind": "enrol", "uses": 2})["token"]
    (web1.folder / "enrol.token").write_text(enrol)
    web1.start()
    wait_for(web1.is_linked, 60, 0.2)
    asks(evil, f"Bearer {api['viewer']}")
    asks(evil, f"Bearer {api['viewer'][:-1]}x")
    wire = evil.tls()
    wire.sendall(post("/api/v1/messages", f"{web3.key} {{}}".encode()))
    answered(wire)
    wire = evil.tls()
    wire.sendall(post("/api/v1/enrol", json.dumps({"name": web3.key, "key": web3.key, "cards": 1}).encode()))
    answered(wire)
    lan.server.admin.get("/api/v1/hosts/web3/key")
    assert web3.say("asleep", web3.registration(password="02:4c:ab:cd:ef:17"))[0] == 200
    web3.say("awake", {"cause": "cancelled"})
    order(lan, "inhibit", hosts=["web1"], arguments={"seconds": 60, "reason": "test"})
    hidden = [web3.key, web1.key, enrol, *api.values(), *(each.rpartition(".")[2] for each in (enrol, *api.values()))]
    hidden += ["02:4c:ab:cd:ef:17", "024cabcdef17"]
    paths = ("status", "events", "audit", "hosts", "hosts/web3", "tokens", "pending", "wakes", "health", "orders")
    told = {path: json.dumps(lan.server.admin.get(f"/api/v1/{path}")) for path in paths}
    told["metrics"] = evil.run(
        "curl", "-sk", "-H", f"Authorization: Bearer {api['viewer']}", f"https://{lan.server.ipv4}:20709/metrics"
    ).stdout
    assert "powerwaked_hosts" in told["metrics"]
    told["client"] = json.dumps(web1.status())
    for name, text in told.items():
        assert not [each for each in hidden if each in text], name
    own = {lan.server.directory / f"registry.sqlite{more}" for more in ("", "-wal", "-shm")}
    own |= {lan.server.directory / f"access.sqlite{more}" for more in ("", "-wal", "-shm")} | {
        web1.folder / "client.key"
    }
    for folder in (lan.server.directory, web1.folder):
        for file in folder.rglob("*"):
            if not file.is_file():
                continue
            data, mode = file.read_bytes(), stat.S_IMODE(file.stat().st_mode)
            found = [each for each in hidden if each.encode() in data]
            assert not found or file in own, (file, found)
            assert not found or not mode & 0o077, (file, oct(mode))
            if b"PRIVATE KEY" in data:
                assert not mode & 0o077, file
    clear = [each.rpartition(".")[2] for each in (enrol, *api.values())]
    for file in own:
        assert not file.exists() or not [each for each in clear if each.encode() in file.read_bytes()], file


NAMES = ["../../etc/passwd", "a/b", "a\r\nX-Evil: 1", "a b", "a\x00b", "%2e%2e", "\u202eweb", ".."]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_a_name(module_lan: Lan, name: str) -> None:
    if module_lan.server.process is None:
        module_lan.server.start()
        Attacker(module_lan)
    evil = next(node for node in module_lan.nodes if isinstance(node, Attacker))
    card = [{"name": "eth0", "mac": "02:4c:aa:00:00:99", "addresses": []}]
    body = {"name": name, "key": secrets.token_hex(32), "cards": card, "hostname": name, "version": "1"}
    wire = evil.tls()
    wire.sendall(post("/api/v1/enrol", json.dumps(body).encode()))
    said = answered(wire)
    assert said[9:12] == b"400" and b"X-Evil" not in said.partition(b"\r\n\r\n")[0]
    with pytest.raises(PowernapError):
        module_lan.server.admin.put("/api/v1/hosts", {"hosts": [{"name": name, "macs": [card[0]["mac"]]}]})["refused"]
    assert not pending_or_known(module_lan)


def pending_or_known(lan: Lan) -> list[object]:
    return [*lan.server.admin.get("/api/v1/pending")["pending"], *lan.server.admin.hosts()]
