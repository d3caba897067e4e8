# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines that are not quite who they were, against a real powerwaked: each case of docs/enrolment.md."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from tests.net.asker import Asker, Link
from tests.net.lan import Lan, Node, wait_for
from tests.net.test_enrolment import approve, asker, pending, registered, started, token

from powernap.shared.errors import Refused


@pytest.fixture
def desk(bare_lan: Lan) -> Node:
    return bare_lan.client()


@pytest.fixture
def links() -> Iterator[list[Link]]:
    made: list[Link] = []
    yield made
    for each in made:
        each.close()


@pytest.fixture
def web1(bare_lan: Lan, desk: Node, links: list[Link]) -> Asker:
    """A machine that is registered and has an open link."""
    started(bare_lan, names=["web*"])
    machine = asker(bare_lan, desk)
    assert machine.ask()[0] == 201
    links.append(machine.link())
    assert links[0].answer["name"] == "web1"
    return machine


def _new_key() -> str:
    return secrets.token_hex(32)


def test_installed_anew_waits_to_take_its_place_and_the_old_key_is_good_until_then(
    bare_lan: Lan, web1: Asker, links: list[Link]
) -> None:
    links.pop().close()
    again = web1.but(key=_new_key(), machine=_new_key(), boot=secrets.token_hex(16))
    wait_for(lambda: again.ask()[1].get("why", "").startswith("replaces web1"), 20, 0.5)
    assert again.hello() == {"status": 401}
    assert web1.hello()["name"] == "web1"
    (waiting,) = pending(bare_lan)
    assert (waiting["verdict"], waiting["host"]) == ("replaces", "web1")
    approve(bare_lan, "web1")
    assert again.ask()[0] == 201
    assert again.hello()["name"] == "web1"
    assert web1.hello() == {"status": 401}
    assert list(registered(bare_lan)) == ["web1"]


def test_installed_anew_with_a_token_takes_its_place_at_once(bare_lan: Lan, web1: Asker, links: list[Link]) -> None:
    links.pop().close()
    again = web1.but(key=_new_key(), machine=_new_key(), boot=secrets.token_hex(16), token=token(bare_lan, uses=1))
    wait_for(lambda: again.ask()[0] == 201, 20, 0.5)
    assert again.hello()["name"] == "web1"


def test_a_rule_replaces_a_host_only_where_that_is_configured(bare_lan: Lan, desk: Node) -> None:
    started(bare_lan, names=["web*"], replace=True)
    machine = asker(bare_lan, desk)
    assert machine.ask()[0] == 201
    again = machine.but(key=_new_key(), machine=_new_key())
    assert again.ask() == (201, {"status": "managed", "name": "web1"})


def test_who_has_the_cards_of_a_connected_host_is_its_clone_whatever_rule_there_is(bare_lan: Lan, web1: Asker) -> None:
    thief = web1.but(key=_new_key(), machine=_new_key(), boot=secrets.token_hex(16))
    status, said = thief.ask()
    assert status == 202 and said["why"].startswith("clone of web1")


def test_a_cloned_disk_is_refused_and_told_of_and_the_first_goes_on(
    bare_lan: Lan, web1: Asker, links: list[Link]
) -> None:
    clone = web1.but(board=_new_key(), boot=secrets.token_hex(16), mac="02:4c:aa:00:01:01")
    heard = clone.hello()
    assert not heard["ok"] and heard["make_key"] and "clone of web1" in heard["error"]
    assert links[0].is_open()
    (waiting,) = pending(bare_lan)
    assert (waiting["status"], waiting["verdict"], waiting["host"]) == ("copy", "clone", "web1")
    assert bare_lan.events("web1", "alert")
    with pytest.raises(Refused, match="--new-key"):
        approve(bare_lan, waiting["request"], name="web2")


def test_a_clone_gets_a_key_and_a_name_of_its_own(bare_lan: Lan, web1: Asker, links: list[Link]) -> None:
    clone = web1.but(board=_new_key(), boot=secrets.token_hex(16), mac="02:4c:aa:00:01:01")
    status, said = clone.ask()
    assert status == 403 and said["make_key"]
    clone = clone.but(key=_new_key())
    status, said = clone.ask()
    assert status == 202 and said["why"].startswith("clone of web1")
    with pytest.raises(Refused, match="--as NAME"):
        approve(bare_lan, said["request"])
    approve(bare_lan, said["request"], name="web2")
    assert clone.ask()[1]["name"] == "web2"
    assert clone.hello("web2")["name"] == "web2"
    assert links[0].is_open()
    assert registered(bare_lan) == {"web1": [web1.mac], "web2": [clone.mac]}


def test_a_clone_of_a_host_without_a_link_that_was_heard_lately_is_refused(bare_lan: Lan, desk: Node) -> None:
    started(bare_lan, names=["web*"])
    machine = asker(bare_lan, desk)
    machine.ask()
    assert machine.hello()["name"] == "web1"
    clone = machine.but(board=_new_key(), boot=secrets.token_hex(16), mac="02:4c:aa:00:01:01")
    assert "clone of web1" in clone.hello()["error"]


def test_renamed_is_known_by_its_new_name(bare_lan: Lan, web1: Asker) -> None:
    heard = web1.but(hostname="shop", boot=secrets.token_hex(16)).hello()
    assert (heard["ok"], heard["name"]) == (False, "shop")
    assert list(registered(bare_lan)) == ["shop"]
    assert web1.but(hostname="shop").hello("shop")["name"] == "shop"
    assert web1.but(hostname="shop").hello("web1")["name"] == "shop", "who missed the news hears it again"
    assert web1.but(key=_new_key()).hello("web1") == {"status": 401}
    assert bare_lan.events("shop", "renamed")


def test_renamed_to_a_name_that_another_has_keeps_the_old_one(bare_lan: Lan, web1: Asker, desk: Node) -> None:
    assert asker(bare_lan, desk, "web2").ask()[0] == 201
    assert web1.but(hostname="web2").hello()["name"] == "web1"
    assert sorted(registered(bare_lan)) == ["web1", "web2"]
    assert any("another machine's" in each["detail"] for each in bare_lan.events("web1", "alert"))


def test_a_host_that_was_named_on_purpose_is_not_renamed(bare_lan: Lan, desk: Node) -> None:
    machine = asker(started(bare_lan), desk, "db1")
    machine.ask()
    approve(bare_lan, "db1", name="shop")
    assert machine.hello("shop")["name"] == "shop"
    assert machine.but(hostname="db2").hello("shop")["name"] == "shop"


def test_changed_cards_follow(bare_lan: Lan, web1: Asker) -> None:
    assert web1.but(mac="02:4c:aa:00:02:01").hello()["name"] == "web1"
    assert registered(bare_lan) == {"web1": ["02:4c:aa:00:02:01"]}
    assert bare_lan.events("web1", "cards changed")


def test_a_card_of_another_host_stays_that_ones(bare_lan: Lan, web1: Asker, desk: Node) -> None:
    other = asker(bare_lan, desk, "web2")
    assert other.ask()[0] == 201
    assert web1.but(mac=other.mac).hello()["name"] == "web1"
    assert registered(bare_lan) == {"web1": [web1.mac], "web2": [other.mac]}
    assert bare_lan.events("web1", "alert")


def test_changed_addresses_change_nothing(bare_lan: Lan, web1: Asker) -> None:
    elsewhere = web1.but(node=bare_lan.client("moved", 10))
    assert elsewhere.hello()["name"] == "web1"
    assert registered(bare_lan) == {"web1": [web1.mac]}


def test_a_crash_is_no_theft_though_the_old_link_is_still_open(bare_lan: Lan, web1: Asker, links: list[Link]) -> None:
    links.append(web1.but(boot=secrets.token_hex(16)).link())
    assert links[1].answer["name"] == "web1"


def test_a_key_that_two_use_in_turn_is_told_of_and_the_second_is_refused(
    bare_lan: Lan, web1: Asker, links: list[Link]
) -> None:
    thief = web1.but(boot=secrets.token_hex(16), node=bare_lan.client("thief", 11))
    links.append(thief.link())
    heard = web1.hello()
    assert not heard["ok"] and "uses the key of web1" in heard["error"]
    assert any("uses the key" in each["detail"] for each in bare_lan.events("web1", "alert"))


def test_a_stolen_key_on_other_hardware_is_refused_while_the_owner_is_there(
    bare_lan: Lan, web1: Asker, links: list[Link]
) -> None:
    thief: dict[str, Any] = {"board": _new_key(), "machine": _new_key(), "boot": secrets.token_hex(16)}
    heard = web1.but(**thief, mac="02:4c:aa:00:03:01", node=bare_lan.client("thief", 11)).hello()
    assert not heard["ok"] and "clone of web1" in heard["error"]
    assert links[0].is_open()


def test_a_name_alone_is_nobody(bare_lan: Lan, web1: Asker, desk: Node) -> None:
    status, said = asker(bare_lan, desk, "web1").ask()
    assert status == 202 and said["why"].startswith("has the name of web1")


def test_who_was_forgotten_is_a_stranger(bare_lan: Lan, web1: Asker, links: list[Link]) -> None:
    bare_lan.server.admin.delete("/api/v1/hosts/web1")
    assert web1.hello() == {"status": 401}
    assert web1.but(key=_new_key()).ask()[0] == 201
