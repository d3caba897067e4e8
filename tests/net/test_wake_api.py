# SPDX-License-Identifier: GPL-3.0-or-later
"""The API of a real powerwaked: who may what, what is noted of it, and what it answers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tests.net.asking import Asked, bearer, token
from tests.net.lan import Lan, wait_for

from powernap.shared.errors import Refused
from powernap.shared.wakeapi import host_path

FACTS = {"macs": ["02:4c:00:00:00:71"]}


@pytest.fixture(scope="module")
def lan(impatient_lan: Lan) -> Lan:
    return impatient_lan


# Roles and tokens


@pytest.mark.parametrize(
    ("method", "path", "body", "needs"),
    [
        ("GET", "/api/v1/health", None, None),
        ("GET", "/api/v1/openapi.json", None, None),
        ("GET", "/api/v1/status", None, "viewer"),
        ("GET", "/api/v1/hosts", None, "viewer"),
        ("GET", "/metrics", None, "viewer"),
        ("POST", "/api/v1/wake", {"target": "nobody"}, "operator"),
        ("POST", "/api/v1/pardon", {"source": "192.0.2.1"}, "operator"),
        ("PUT", "/api/v1/hosts/new1", FACTS, "admin"),
        ("PUT", "/api/v1/hosts", {"hosts": []}, "admin"),
        ("POST", "/api/v1/forget", {"names": []}, "admin"),
        ("DELETE", "/api/v1/hosts/new1", None, "admin"),
        ("GET", "/api/v1/hosts/new1/key", None, "admin"),
        ("GET", "/api/v1/tokens", None, "admin"),
        ("GET", "/api/v1/audit", None, "admin"),
    ],
)
def test_each_role_may_do_what_it_says_and_no_more(
    lan: Lan, method: str, path: str, body: Any, needs: str | None
) -> None:
    roles = ("viewer", "operator", "admin")
    for number, role in enumerate(roles):
        status = Asked(lan, method, path, body, **bearer(token(lan, role))).status
        allowed = needs is None or number >= roles.index(needs)
        assert (status == 403) is not allowed, (role, status)
        assert status != 401


def test_a_token_counts_even_where_root_has_the_socket(lan: Lan) -> None:
    answer = Asked(lan, "GET", "/api/v1/status", Authorization="Bearer pna1.00000000." + "0" * 64)
    assert answer.status == 401 and answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert "powerwake token list" in answer.json["detail"]


def test_a_token_is_good_until_it_ends_or_is_revoked(lan: Lan) -> None:
    short, long = token(lan, "viewer", expires_seconds=1), token(lan, "viewer")
    assert Asked(lan, "GET", "/api/v1/status", **bearer(short)).status == 200
    wait_for(lambda: Asked(lan, "GET", "/api/v1/status", **bearer(short)).status in (401, 429))
    assert Asked(lan, "GET", "/api/v1/status", **bearer(long)).status == 200
    assert lan.server.admin.delete(f"/api/v1/tokens/{long.split('.')[1]}") == {"changed": True}
    wait_for(lambda: "was revoked on" in Asked(lan, "GET", "/api/v1/status", **bearer(long)).json["detail"], step=1)
    wait_for(lambda: "has expired on" in Asked(lan, "GET", "/api/v1/status", **bearer(short)).json["detail"], step=1)


def test_secrets_are_neither_on_disk_nor_listed(lan: Lan) -> None:
    secret = token(lan, "viewer").split(".")[2]
    listed = Asked(lan, "GET", "/api/v1/tokens")
    assert secret.encode() not in listed.text
    for path in lan.server.directory.glob("access.sqlite*"):
        assert secret.encode() not in path.read_bytes() and path.stat().st_mode & 0o077 == 0


def test_who_guesses_is_slowed_and_logged_but_locks_nobody_out(lan: Lan) -> None:
    good = token(lan, "viewer")
    answers = [Asked(lan, "GET", "/api/v1/status", **bearer(f"pna1.{n:08x}." + "0" * 64)) for n in range(30)]
    late = answers[-1]
    assert late.status == 429 and int(late.headers["Retry-After"]) >= 1
    assert Asked(lan, "GET", "/api/v1/status", **bearer(good)).status == 200
    lines = [line for line in lan.server.log.read_text().splitlines() if "token that is not good" in line]
    assert 1 <= len(lines) <= 6


# Errors


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "word"),
    [
        ("GET", "/api/v1/nothing", None, 404, "openapi.json"),
        ("DELETE", "/api/v1/status", None, 405, "GET"),
        ("PUT", "/api/v1/hosts/x1", b"x" * 70_000, 413, "longer"),
        ("PUT", "/api/v1/hosts/x1", b"{", 400, "JSON"),
        ("PUT", "/api/v1/hosts/x1", b"[" * 30_000, 400, "JSON"),
        ("PUT", "/api/v1/hosts/x1", b'{"macs": NaN}', 400, "NaN"),
        ("PUT", "/api/v1/hosts/x1", {"macs": ["\ud800"]}, 400, "macs[0]"),
        ("PUT", "/api/v1/hosts/x1", {}, 400, "macs"),
        ("POST", "/api/v1/wake", {"target": "x", "tiemout_seconds": 1}, 400, "did you mean timeout_seconds"),
        ("POST", "/api/v1/wake", b'{"target": "x", "timeout_seconds": 1e999}', 400, "timeout_seconds"),
        ("GET", "/api/v1/hosts?limit=0", None, 400, "limit"),
        ("GET", "/api/v1/hosts?limit=x", None, 400, "limit"),
        ("GET", "/api/v1/hosts?sate=awake", None, 400, "state"),
        ("GET", "/api/v1/hosts?state=awake,asleep", None, 400, "asleep"),
        ("GET", "/api/v1/hosts/%F0%28", None, 404, "registered"),
        ("GET", "/api/v1/events?since=-1", None, 400, "since"),
    ],
)
def test_every_error_is_a_problem_with_a_sentence(
    lan: Lan, method: str, path: str, body: Any, status: int, word: str
) -> None:
    answer = Asked(lan, method, path, body)
    assert answer.status == status, answer.text
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    content = answer.json
    assert content["status"] == status and word in content["detail"], content
    assert content["type"].partition("#")[2] in Asked(lan, "GET", "/api/v1/problems").json
    assert content["error"] == content["detail"]


# Hosts


@pytest.fixture(scope="module")
def rack(lan: Lan) -> Lan:
    hosts = [
        {"name": f"rack{n % 2}-{n:03}", "macs": [f"02:4d:00:00:00:{n:02x}"], "group": f"rack{n % 2}"} for n in range(50)
    ]
    done = lan.server.admin.put("/api/v1/hosts", {"hosts": hosts})
    assert done["changed"] and all(len(each["key"]) == 64 for each in done["hosts"])
    return lan


def test_many_are_registered_at_once_and_each_is_judged_by_itself(rack: Lan) -> None:
    again = {"name": "rack0-000", "macs": ["02:4d:00:00:00:00"], "group": "rack0"}
    thief = {"name": "thief", "macs": ["02:4d:00:00:00:01"]}
    fresh = {"name": "fresh", "macs": ["02:4d:00:00:01:00"]}
    done = rack.server.admin.put("/api/v1/hosts", {"hosts": [again, thief, fresh]})
    assert [each.get("changed") for each in done["hosts"]] == [False, None, True]
    assert done["hosts"][1]["status"] == 409 and "rack1-001" in done["hosts"][1]["error"]
    assert rack.server.admin.delete(host_path("fresh")) == {"changed": True}


def test_hosts_are_listed_page_by_page(rack: Lan) -> None:
    names, after, pages = [], None, 0
    while True:
        page = rack.server.admin.get("/api/v1/hosts", pattern="rack*", limit=20, after=after, fields="name,status")
        assert len(page["hosts"]) <= 20 and all(set(host) == {"name", "status"} for host in page["hosts"])
        names += [host["name"] for host in page["hosts"]]
        pages, after = pages + 1, page["next"]
        if after is None:
            break
    assert names == sorted(f"rack{n % 2}-{n:03}" for n in range(50)) and pages == 3


def test_hosts_are_found_by_state_group_pattern_and_address(rack: Lan) -> None:
    def names(**query: Any) -> list[str]:
        return [host["name"] for host in rack.server.admin.hosts(**query)]

    assert len(names(group="rack1")) == 25
    assert names(pattern="rack?-00[12]") == ["rack0-002", "rack1-001"]
    assert len(names(wake_state="awake", pattern="rack*")) == 50 and names(wake_state=["proxied", "waking"]) == []
    assert names(target="02-4D-00-00-00-05") == ["rack1-005"]
    with pytest.raises(Refused) as caught:
        names(target="02:4d:ff:ff:ff:ff")
    assert caught.value.status == 404


# The audit log


def test_who_asked_for_what_is_noted_with_its_outcome(lan: Lan) -> None:
    admin = token(lan, "admin")
    Asked(lan, "PUT", host_path("audited"), FACTS | {"macs": ["02:4c:00:00:00:72"]}, **bearer(admin))
    Asked(lan, "POST", "/api/v1/wake", {"target": "nobody"}, **bearer(admin))
    Asked(lan, "DELETE", host_path("audited"), **bearer(token(lan, "viewer")))
    Asked(lan, "GET", host_path("audited") + "/key")
    entries = lan.server.admin.get("/api/v1/audit", limit=5)["entries"]
    noted = [(each["method"], each["path"], each["status"]) for each in reversed(entries)]
    assert noted[0] == ("PUT", host_path("audited"), 200)
    assert noted[1] == ("POST", "/api/v1/wake", 404)
    assert noted[3:] == [("DELETE", host_path("audited"), 403), ("GET", host_path("audited") + "/key", 200)]
    assert entries[0]["who"].startswith("root") and entries[0]["address"] == "unix"
    assert entries[4]["who"] == f"a admin (token {admin.split('.')[1]})" and "02:4c:00:00:00:72" in entries[4]["body"]
    assert "nobody is registered" in entries[3]["outcome"] and "role admin" in entries[1]["outcome"]


def test_reading_is_not_noted(lan: Lan) -> None:
    before = lan.server.admin.get("/api/v1/audit", limit=1)["entries"][0]["number"]
    lan.server.admin.get("/api/v1/status")
    list(lan.server.admin.hosts())
    assert lan.server.admin.get("/api/v1/audit", limit=1)["entries"][0]["number"] == before


# Health and metrics


def test_health_is_for_everybody_and_says_what_is_wrong(lan: Lan) -> None:
    answer = Asked(lan, "GET", "/api/v1/health", Authorization="Bearer nonsense")
    assert answer.status == 200 and answer.json["status"] == "ok", answer.text
    assert Asked(lan, "HEAD", "/api/v1/health").status == 200
    lan.server.run("ip", "link", "set", "eth0", "down")
    try:
        wait_for(lambda: Asked(lan, "GET", "/api/v1/health").status == 503)
        content = Asked(lan, "GET", "/api/v1/health").json
        assert content["status"] == "failing" and "interface" in content["checks"]["packet_path"]["why"]
        assert content["checks"]["registry"] == {"ok": True, "why": ""}
    finally:
        lan.server.run("ip", "link", "set", "eth0", "up")
    wait_for(lambda: Asked(lan, "GET", "/api/v1/health").status == 200, 20)


def test_metrics_are_what_prometheus_reads(lan: Lan) -> None:
    from prometheus_client.parser import text_string_to_metric_families

    lan.server.admin.get("/api/v1/status")
    answer = Asked(lan, "GET", "/metrics")
    assert answer.status == 200 and answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    families = {family.name: family for family in text_string_to_metric_families(answer.text.decode())}
    states = {sample.labels["state"]: sample.value for sample in families["powerwaked_hosts"].samples}
    counted = lan.server.admin.get("/api/v1/status")
    assert states == {key: float(n) for key, n in counted["states"].items()}
    samples = families["powerwaked_hosts_by_wake_state"].samples
    assert {each.labels["wake_state"]: each.value for each in samples} == counted["wake_states"]
    asked = {
        (sample.labels["route"], sample.labels["status"]): sample.value
        for sample in families["powerwaked_api_requests"].samples
        if sample.name.endswith("_total")
    }
    assert asked["/api/v1/status", "200"] >= 2
    commits = {sample.name: sample.value for sample in families["powerwaked_registry_commit_seconds"].samples}
    assert commits["powerwaked_registry_commit_seconds_count"] >= 1
    assert not any("rack1-001" in line for line in answer.text.decode().splitlines())


# powerwake


def powerwake(lan: Lan, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "powernap", "powerwake", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **environment})


def test_tokens_are_made_listed_and_revoked_from_the_command_line(lan: Lan) -> None:
    where = ("--socket", lan.server.admin.path)
    made = powerwake(lan, "token", "create", "--role", "viewer", "--name", "dashboard", "--expires", "2d", *where)
    text = made.stdout.strip()
    assert made.returncode == 0 and text.startswith("pna1."), made.stderr
    listed = powerwake(lan, "token", "list", *where).stdout
    assert "dashboard" in listed and text.split(".")[2] not in listed
    listed = json.loads(powerwake(lan, "token", "list", "--json", *where).stdout)
    (mine,) = [each for each in listed["tokens"] if each["name"] == "dashboard"]
    assert abs(mine["expires"] - time.time() - 2 * 86400) < 60
    assert "is revoked" in powerwake(lan, "token", "revoke", mine["id"], *where).stdout
    assert "was not there" in powerwake(lan, "token", "revoke", mine["id"], *where).stdout
    Asked(lan, "POST", "/api/v1/wake", {"target": "\x1b[2Jmoon"})
    audit = powerwake(lan, "audit", "--last", "10", *where).stdout
    assert "moon" in audit and "\x1b" not in audit
    assert "POST /tokens" in audit and "dashboard" in audit and "root" in audit


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("--server", "wake1:20709"), "https://"),
        (("--server", "https://wake1:20709"), "token"),
        (("--server", "http://192.0.2.1:20709", "--token-file", "TOKEN"), "https://"),
        (("--server", "https://127.0.0.1:1", "--token-file", "TOKEN"), "does not answer"),
        (("--server", "https://127.0.0.1:1", "--token-file", "OPEN"), "chmod"),
        (("--server", "https://127.0.0.1:1", "--token-file", "/nonexistent"), "cannot be read"),
        (("--server", "https://127.0.0.1:1", "--token-file", "TOKEN", "--ca-file", "TOKEN"), "PEM"),
    ],
)
def test_what_is_wrong_with_a_server_far_away_is_one_sentence(
    lan: Lan, tmp_path: Any, arguments: tuple[str, ...], word: str
) -> None:
    for name, mode in (("TOKEN", 0o600), ("OPEN", 0o644)):
        (tmp_path / name).write_text("pna1.00000000." + "0" * 64)
        (tmp_path / name).chmod(mode)
    given = [str(tmp_path / each) if each in ("TOKEN", "OPEN") else each for each in arguments]
    done = powerwake(lan, "list", *given)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and word in done.stderr, done.stderr


def test_every_command_works_from_afar(lan: Lan, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(token(lan, "admin"))
    file.chmod(0o600)
    where = ("--server", f"https://{lan.server.ipv4}:20709", "--token-file", str(file), "--ca-file", str(lan.server.ca))
    client = lan.client()

    def far(*arguments: str) -> subprocess.CompletedProcess[str]:
        return client.run(sys.executable, "-m", "powernap", "powerwake", *arguments, *where, check=False)

    assert "is registered" in far("register", "far1", "--mac", "02:4c:00:00:00:76").stdout
    for command in ("list", "status", "criers", "wakes", "audit", "orders", "pending"):
        done = far(command, "--json")
        assert done.returncode == 0 and json.loads(done.stdout) is not None, (command, done.stderr)
    assert (
        "far1" in far("list", "far*", "--state", "unknown,unreachable").stdout
        and far("list", "x*").stdout == "no machine fits\n"
    )
    assert "uses" in far("token", "create", "--role", "viewer", "--name", "x", "--uses", "3").stderr
    assert "far1 is forgotten" in far("forget", "far1").stdout
    missing = far("wake", "far1")
    assert missing.returncode == 1 and "register" in missing.stderr and missing.stderr.count("\n") == 1
    other = client.run(
        *(sys.executable, "-m", "powernap", "powerwake", "list", *where[:-1], "/etc/ssl/certs/ca-certificates.crt"),
        check=False,
    )
    assert other.returncode == 2 and "not trusted" in other.stderr and other.stderr.count("\n") == 1


def test_the_environment_says_which_server(lan: Lan) -> None:
    done = powerwake(lan, "list", POWERWAKE_SERVER="https://127.0.0.1:1")
    assert done.returncode == 2 and "https://127.0.0.1:1" in done.stderr


# What happens around it


def test_on_a_full_disk_wakes_are_ordered_and_the_audit_log_goes_to_the_journal(
    bare_lan: Lan, small_disk: Path
) -> None:
    server = bare_lan.server
    host = bare_lan.sleeper()
    host.nap()
    operator = token(bare_lan, "operator")
    subprocess.run(["dd", "if=/dev/zero", f"of={small_disk}/filler", "bs=512"], capture_output=True, check=False)
    while Asked(bare_lan, "PUT", host_path("one"), {"macs": ["02:4c:00:00:00:75"]}).status == 200:
        Asked(bare_lan, "DELETE", host_path("one"))  # until the files' own room is used up
    wait_for(lambda: Asked(bare_lan, "GET", "/api/v1/health").status == 503, 20)
    assert "registry" in Asked(bare_lan, "GET", "/api/v1/health").json["checks"]
    answer = Asked(bare_lan, "POST", "/api/v1/wake", {"target": "web1", "timeout_seconds": 20}, **bearer(operator))
    assert answer.status == 200 and answer.json["state"] == "awake", answer.text
    wait_for(lambda: "audit: {" in server.log.read_text() and '"/api/v1/wake"' in server.log.read_text())
    refused = Asked(bare_lan, "POST", "/api/v1/tokens", {"name": "late", "role": "viewer"})
    assert refused.status == 503 and "space" in refused.json["detail"]


def test_tokens_and_audit_log_outlive_powerwaked_and_a_damaged_file_does_not_keep_it_from_starting(
    bare_lan: Lan,
) -> None:
    server = bare_lan.server
    server.start()
    good = token(bare_lan, "viewer")
    server.stop()
    server.start()
    assert Asked(bare_lan, "GET", "/api/v1/status", **bearer(good)).status == 200
    assert bare_lan.server.admin.get("/api/v1/audit")["entries"][0]["path"] == "/api/v1/tokens"
    server.stop()
    for path in server.directory.glob("access.sqlite*"):
        path.unlink()
    (server.directory / "access.sqlite").write_bytes(b"this is no database, but as long as one is\n" * 200)
    server.start()
    assert Asked(bare_lan, "GET", "/api/v1/status", **bearer(good)).status == 401
    status = Asked(bare_lan, "GET", "/api/v1/status")
    assert status.status == 200 and any("access.sqlite" in warning for warning in status.json["warnings"])
    refused = Asked(bare_lan, "POST", "/api/v1/tokens", {"name": "late", "role": "viewer"})
    assert refused.status == 503 and "access.sqlite" in refused.json["detail"]
