# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines that ask a real powerwaked to be known: who waits, who is let in, and how it survives to be killed."""

from __future__ import annotations

import json
import signal
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.net.asker import Asker
from tests.net.lan import Lan, Node, wait_for

from powernap.shared.errors import Refused


@pytest.fixture
def desk(bare_lan: Lan) -> Node:
    return bare_lan.client()


def started(lan: Lan, **enrolment: object) -> Lan:
    """The wake server with such an [enrolment]."""
    path = lan.server.configure()
    lines = "".join(f"{key} = {json.dumps(value)}\n" for key, value in enrolment.items())
    drop_ins = path.with_suffix(".d")
    drop_ins.mkdir(exist_ok=True)
    (drop_ins / "enrolment.toml").write_text(f"[enrolment]\n{lines}")
    lan.server.start()
    return lan


def asker(lan: Lan, node: Node, name: str = "web1", **how: Any) -> Asker:
    return Asker(node, lan.server.ipv4, name, **how)


def pending(lan: Lan) -> list[dict[str, Any]]:
    return list(lan.server.admin.get("/api/v1/pending")["pending"])


def approve(lan: Lan, who: str, **how: str) -> dict[str, Any]:
    return lan.server.admin.post(f"/api/v1/pending/{who}/approve", how)


def registered(lan: Lan) -> dict[str, list[str]]:
    return {host["name"]: host["macs"] for host in lan.server.admin.hosts()}


def token(lan: Lan, **how: Any) -> str:
    return str(lan.server.admin.post("/api/v1/tokens", {"name": "test", "kind": "enrol", **how})["token"])


def test_a_machine_that_asks_waits_and_is_nobody(bare_lan: Lan, desk: Node) -> None:
    machine = asker(started(bare_lan), desk)
    status, said = machine.ask()
    assert (status, said["status"], said["why"]) == (202, "pending", "new")
    (waiting,) = pending(bare_lan)
    assert (waiting["name"], waiting["request"], waiting["source"]) == ("web1", said["request"], desk.ipv4)
    assert registered(bare_lan) == {}
    assert machine.hello() == {"status": 401}


def test_who_is_approved_is_known_by_the_key_that_he_made(bare_lan: Lan, desk: Node) -> None:
    machine = asker(started(bare_lan), desk)
    request = machine.ask()[1]["request"]
    assert approve(bare_lan, request, group="rack1")["group"] == "rack1"
    assert machine.ask() == (201, {"status": "managed", "name": "web1"})
    assert machine.hello()["name"] == "web1"
    assert pending(bare_lan) == []
    assert [each["detail"].split(";")[0] for each in bare_lan.events("web1", "enrolled")] == ["by root"]


def test_an_operator_may_give_another_name(bare_lan: Lan, desk: Node) -> None:
    machine = asker(started(bare_lan), desk)
    machine.ask()
    approve(bare_lan, "web1", name="shop")
    assert machine.ask()[1]["name"] == "shop"
    assert machine.hello("shop")["name"] == "shop"


def test_who_is_rejected_hears_so_and_is_told_of_to_operators(bare_lan: Lan, desk: Node) -> None:
    machine = asker(started(bare_lan), desk)
    machine.ask()
    bare_lan.server.admin.post("/api/v1/pending/web1/reject", {})
    assert machine.ask()[0] == 403
    assert pending(bare_lan)[0]["status"] == "rejected"
    approve(bare_lan, "web1")
    assert machine.ask()[0] == 201


def test_a_token_lets_one_machine_in_and_no_second_one(bare_lan: Lan, desk: Node) -> None:
    text = token(started(bare_lan), uses=1, group="rack1")
    first, second = (asker(bare_lan, desk, name, token=text) for name in ("web1", "web2"))
    assert first.ask() == (201, {"status": "managed", "name": "web1"})
    assert first.ask()[0] == 201
    assert second.ask()[0] == 202
    assert list(registered(bare_lan)) == ["web1"]
    assert bare_lan.server.admin.get("/api/v1/hosts/web1")["group"] == "rack1"


def test_many_who_come_at_once_with_a_token_for_one_are_one(bare_lan: Lan, desk: Node) -> None:
    text = token(started(bare_lan, per_source=6000), uses=1)
    machines = [asker(bare_lan, desk, f"web{number}", token=text) for number in range(12)]
    with ThreadPoolExecutor(12) as pool:
        answers = sorted(status for status, _said in pool.map(Asker.ask, machines))
    assert answers == [201] + [202] * 11
    assert len(registered(bare_lan)) == 1


def test_a_wrong_token_admits_nobody_and_guessing_soon_costs_time(bare_lan: Lan, desk: Node) -> None:
    text = token(started(bare_lan))
    answers = []
    for number in range(20):
        guess = text[:-64] + f"{number:064x}"
        answers.append(asker(bare_lan, desk, "web1", token=guess).ask()[0])
    assert 201 not in answers and 429 in answers and answers.index(429) <= 5
    assert bare_lan.events("web1", "token refused")


def test_who_holds_a_token_that_was_used_or_revoked_is_told_so_and_waits_for_an_operator(
    bare_lan: Lan, desk: Node
) -> None:
    once, taken = token(started(bare_lan), uses=1), token(bare_lan)
    assert asker(bare_lan, desk, "web1", token=once).ask()[0] == 201
    bare_lan.server.admin.delete(f"/api/v1/tokens/{taken.split('.')[2]}")
    for name, text, said in (("web2", once, "was used as often as it may be"), ("web3", taken, "was revoked on")):
        status, answer = asker(bare_lan, desk, name, token=text).ask()
        assert status == 202 and f"its token {said}" in answer["why"], answer


@pytest.mark.parametrize(
    ("rule", "let_in"),
    [
        ({"names": ["web*"]}, True),
        ({"names": ["db*"]}, False),
        ({"networks": ["198.18.0.0/16"]}, True),
        ({"networks": ["203.0.113.0/24"]}, False),
        ({"macs": ["02:4C:AA"]}, True),
        ({"macs": ["00:16:3e"]}, False),
        ({"names": ["web*"], "networks": ["203.0.113.0/24"]}, False),
        ({}, False),
    ],
)
def test_rules_let_in_who_matches_each_of_them(bare_lan: Lan, desk: Node, rule: dict[str, Any], let_in: bool) -> None:
    assert asker(started(bare_lan, **rule), desk).ask()[0] == (201 if let_in else 202)


def test_no_more_wait_than_may_and_one_address_cannot_fill_the_room(bare_lan: Lan, desk: Node) -> None:
    started(bare_lan, pending=30, per_source=600)
    answers = [asker(bare_lan, desk, f"web{number}").ask()[0] for number in range(25)]
    assert answers == [202] * 20 + [503] * 5
    assert asker(bare_lan, bare_lan.client("other", 10), "db1").ask()[0] == 202


def test_who_does_not_ask_again_is_forgotten(bare_lan: Lan, desk: Node) -> None:
    asker(started(bare_lan, pending_hours=0.01), desk).ask()
    assert pending(bare_lan)
    wait_for(lambda: not pending(bare_lan), 60, 1)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"name": "web1"',
        b'{"name": "web1", "key": "00", "cards": [{"mac": "02:4c:00:00:00:01"}]}',
        b'{"name": "we b/1", "key": "%b", "cards": [{"mac": "02:4c:00:00:00:01"}]}' % (b"0" * 64),
        b'{"name": "web1", "key": "%b", "cards": []}' % (b"0" * 64),
        b'{"name": "web1", "key": "%b", "cards": [{"mac": "ff:ff:ff:ff:ff:ff"}]}' % (b"0" * 64),
        b'{"name": "web1", "key": "%b", "cards": [{"mac": "02:4c:00:00:00:01"}], "identity": {"board": 7}}'
        % (b"0" * 64),
        b'{"a":' * 20000,
        b'{"name": "' + b"x" * 200_000 + b'"}',
    ],
)
def test_what_is_no_question_is_refused_in_a_sentence(module_lan: Lan, body: bytes) -> None:
    if module_lan.server.process is None:
        module_lan.server.start()
        module_lan.client()
    status, said = asker(module_lan, module_lan.nodes[1]).post("/api/v1/enrol", body)
    assert status in (400, 413) and said["error"]
    assert pending(module_lan) == []


def test_a_client_that_sees_another_authority_is_warned_of(bare_lan: Lan, desk: Node) -> None:
    machine = asker(started(bare_lan), desk)
    assert machine.ask(ca="0" * 64)[0] == 403
    assert bare_lan.events("web1", "alert")


def test_those_who_wait_wait_on_after_the_server_was_killed(bare_lan: Lan, desk: Node) -> None:
    machine = asker(started(bare_lan), desk)
    request = machine.ask()[1]["request"]
    bare_lan.server.stop(signal.SIGKILL)
    bare_lan.server.start()
    assert [each["request"] for each in pending(bare_lan)] == [request]
    approve(bare_lan, request)
    bare_lan.server.stop(signal.SIGKILL)
    bare_lan.server.start()
    assert machine.ask()[0] == 201
    assert machine.hello()["name"] == "web1"


def test_what_was_granted_when_it_was_killed_is_done_at_the_next_start(bare_lan: Lan, desk: Node) -> None:
    """Killed between the token's use and the registry: the registry loses the host, as if it had not been written."""
    text = token(started(bare_lan), uses=1)
    machine = asker(bare_lan, desk, token=text)
    store = bare_lan.server.directory / "access.sqlite"
    script = (
        "CREATE TRIGGER kept AFTER INSERT ON waiting WHEN new.status = 'granted' BEGIN "
        "INSERT INTO granted SELECT * FROM waiting WHERE key = new.key; END;"
    )
    with sqlite3.connect(store) as database:
        database.execute("CREATE TABLE granted AS SELECT * FROM waiting WHERE 0")
        database.executescript(script)
    assert machine.ask()[0] == 201
    bare_lan.server.stop(signal.SIGKILL)
    with sqlite3.connect(store) as database:
        database.execute("DROP TRIGGER kept")
        database.execute("INSERT INTO waiting SELECT * FROM granted")
    database.close()
    for file in bare_lan.server.directory.glob("registry.sqlite*"):
        file.unlink()
    bare_lan.server.start()
    wait_for(lambda: list(registered(bare_lan)) == ["web1"], 20, 0.1)
    assert machine.ask() == (201, {"status": "managed", "name": "web1"})
    assert machine.hello()["name"] == "web1"
    assert asker(bare_lan, desk, "web2", token=text).ask()[0] == 202


def test_who_asks_is_bounded_in_all(bare_lan: Lan, desk: Node) -> None:
    started(bare_lan, per_source=6)
    answers = [asker(bare_lan, desk, f"web{number}").ask() for number in range(6)]
    assert [status for status, _said in answers] == [202] * 3 + [429] * 3
    assert answers[-1][1]["again_seconds"] >= 1
    assert asker(bare_lan, bare_lan.client("other", 10), "db1").ask()[0] == 202


def test_only_administrators_approve(bare_lan: Lan, desk: Node) -> None:
    machine = asker(started(bare_lan), desk)
    machine.ask()
    for path in ("/api/v1/pending/web1/approve", "/api/v1/pending/web1/reject"):
        assert machine.post(path, b"{}")[0] == 401
    with pytest.raises(Refused, match="no machine of that name"):
        approve(bare_lan, "web2")
    assert Path(bare_lan.server.directory, "access.sqlite").stat().st_mode & 0o77 == 0
