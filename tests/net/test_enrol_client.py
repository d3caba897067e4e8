# SPDX-License-Identifier: GPL-3.0-or-later
"""A real powernapd that becomes known to a real powerwaked: by a token, by approval, found or told where it is."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.net.lan import Lan, wait_for
from tests.net.mdns import avahi, missing
from tests.net.napper import Napper
from tests.net.test_enrolment import approve, pending, registered, started, token

Make = Callable[..., Napper]


@pytest.fixture
def make(bare_lan: Lan, tmp_path: Path) -> Iterator[Make]:
    made: list[Napper] = []

    def napper(name: str = "web1", number: int = 22, **sections: str) -> Napper:
        sections.setdefault("server", f'url = "https://{bare_lan.server.ipv4}"')
        made.append(Napper(bare_lan.client(name, number), tmp_path / name, **sections))
        return made[-1]

    yield napper
    for each in made:
        each.stop(kill=True)


def test_with_a_token_it_is_known_and_linked_without_a_restart(bare_lan: Lan, make: Make) -> None:
    text = token(started(bare_lan), uses=1)
    web1 = make()
    (web1.folder / "enrol.token").write_text(text)
    web1.start()
    wait_for(web1.is_linked, 60, 0.2)
    assert list(registered(bare_lan)) == ["web1"]
    assert not (web1.folder / "enrol.token").exists() and not (web1.state / "enrol.key").exists()
    assert (web1.folder / "client.key").stat().st_mode & 0o777 == 0o600
    assert "as the token says" in web1.standing()["trust"]
    assert not any("not known" in sentence for sentence in web1.status()["held_by"])


def test_without_one_it_waits_never_naps_and_is_known_once_it_is_approved(bare_lan: Lan, make: Make) -> None:
    started(bare_lan)
    web1 = make()
    web1.start()
    wait_for(lambda: pending(bare_lan), 60, 0.2)
    request = pending(bare_lan)[0]["request"]
    wait_for(lambda: web1.status()["server"]["enrolment"]["status"] == "pending", 30, 0.2)
    (held,) = [sentence for sentence in web1.status()["held_by"] if "pending" in sentence]
    assert f"as request {request}" in held and f"powerwake approve {request}" in held
    assert web1.memory() < 30 * 1024
    approve(bare_lan, request, name="shop")
    wait_for(web1.is_linked, 60, 0.2)
    assert web1.standing()["name"] == "shop"
    assert "trusted on first use" in " ".join(web1.status()["notes"])
    web1.stop()
    web1.start()
    wait_for(web1.is_linked, 60, 0.2)


def test_a_token_for_another_authority_is_used_nowhere(bare_lan: Lan, make: Make) -> None:
    text = token(started(bare_lan), uses=1)
    web1 = make()
    prefix, _fingerprint, *rest = text.split(".")
    (web1.folder / "enrol.token").write_text(".".join([prefix, "0" * 32, *rest]))
    said = web1.enrol()
    assert said.returncode == 1 and "was to be trusted" in said.stderr
    assert not (web1.folder / "server-ca.pem").exists() and not pending(bare_lan)


def test_a_pinned_authority_that_changes_is_not_believed(bare_lan: Lan, make: Make) -> None:
    started(bare_lan)
    web1 = make()
    assert web1.enrol().returncode == 0
    pinned = (web1.folder / "server-ca.pem").read_text()
    bare_lan.server.stop()
    for file in (bare_lan.server.directory / "tls").iterdir():
        file.unlink()
    bare_lan.server.start()
    said = web1.enrol()
    assert said.returncode == 1 and "is not of the CA that is trusted here" in said.stderr
    assert (web1.folder / "server-ca.pem").read_text() == pinned


def test_by_hand_with_server_and_token_from_the_input(bare_lan: Lan, make: Make) -> None:
    text = token(started(bare_lan), uses=1)
    web1 = make(server="")
    web1.start()
    bare = web1.enrol("--server", bare_lan.server.ipv4, "--token", "-", text=text)
    assert bare.returncode == 2 and f"write --server https://{bare_lan.server.ipv4}\n" in bare.stderr
    said = web1.enrol("--server", f"https://{bare_lan.server.ipv4}", "--token", "-", text=text)
    assert said.returncode == 0 and "known to" in said.stdout
    wait_for(web1.is_linked, 60, 0.2)


def test_killed_after_each_step_it_ends_as_one_host_with_one_key(bare_lan: Lan, make: Make) -> None:
    """What is on disk between two steps is made as a kill -9 there leaves it."""
    started(bare_lan)
    web1 = make()
    assert web1.enrol().returncode == 0
    first = (web1.state / "enrol.key").read_text().strip()
    (web1.state / "enrolment.json").unlink()  # after the key was made, before anything else
    assert web1.enrol().returncode == 0
    assert (web1.state / "enrol.key").read_text().strip() == first
    approve(bare_lan, "web1", name="shop")
    (web1.folder / "client.key").write_text(first + "\n")  # after it was accepted, before the rest
    assert "as shop" in web1.enrol().stdout
    assert not (web1.state / "enrol.key").exists() and web1.key == first
    assert list(registered(bare_lan)) == ["shop"]
    web1.start()
    wait_for(web1.is_linked, 60, 0.2)


def test_a_key_that_ansible_brings_while_it_waits_is_used_at_once(bare_lan: Lan, make: Make) -> None:
    started(bare_lan)
    web1 = make()
    web1.start()
    wait_for(lambda: web1.status()["server"]["enrolment"]["status"] == "pending", 60, 0.2)
    key = bare_lan.server.admin.put("/api/v1/hosts/web1", {"macs": [web1.node.mac]})["key"]
    (web1.folder / "client.key").write_text(key + "\n")
    wait_for(web1.is_linked, 60, 0.2)
    assert web1.key == key and not (web1.state / "enrol.key").exists()


def test_a_copy_of_its_disk_gets_a_key_of_its_own(bare_lan: Lan, make: Make) -> None:
    text = token(started(bare_lan))
    web1, copy = make(), make("web2", 23)
    assert web1.enrol("--token", "-", text=text).returncode == 0
    (copy.folder / "client.key").write_text(web1.key + "\n")
    said = copy.enrol("--new-key")
    assert said.returncode == 0 and "pending" in said.stdout
    assert web1.key == copy.key, "the old one stays until the new one is accepted"
    (waiting,) = pending(bare_lan)
    approve(bare_lan, waiting["request"], name="web2")
    assert copy.enrol().returncode == 0
    assert copy.key != web1.key
    assert sorted(registered(bare_lan)) == ["web1", "web2"]


def test_it_finds_its_server_by_zeroconf_and_publishes_itself(bare_lan: Lan, make: Make, tmp_path: Path) -> None:
    if missing():
        pytest.skip(missing())
    bare_lan.server.discovery = "auto"
    bare_lan.server.discovery = "auto"
    started(bare_lan)
    witness_node = bare_lan.client("witness", 20)
    with avahi(witness_node, tmp_path / "witness") as witness:
        wait_for(lambda: witness.names("_powerwake._tcp"), 60, 0.5)
        web1 = make(server="", discovery="find = true")
        web1.start()
        wait_for(lambda: pending(bare_lan), 90, 0.5)
        wait_for(lambda: "web1" in witness.names("_powernap._tcp"), 30, 0.5)
        wait_for(lambda: bare_lan.server.admin.get("/api/v1/announced")["announced"], 30, 0.5)
        approve(bare_lan, "web1")
        wait_for(web1.is_linked, 90, 0.5)
        assert web1.memory() < 30 * 1024


def test_it_finds_its_server_by_avahi_and_is_published_until_it_is_known(
    bare_lan: Lan, make: Make, tmp_path: Path
) -> None:
    if missing():
        pytest.skip(missing())
    bare_lan.server.discovery = "auto"
    bare_lan.server.discovery = "auto"
    started(bare_lan)
    web1 = make(server="", discovery="find = true", bus=str(tmp_path / "own" / "bus"))
    with avahi(web1.node, tmp_path / "own") as own, avahi(bare_lan.client("witness", 20), tmp_path / "wit") as witness:
        web1.start()
        wait_for(lambda: pending(bare_lan), 90, 0.5)
        wait_for(lambda: "web1" in witness.names("_powernap._tcp"), 30, 0.5)
        assert "powernap" not in " ".join(own.names("_powerwake._tcp"))
        approve(bare_lan, "web1")
        wait_for(web1.is_linked, 90, 0.5)
        wait_for(lambda: "web1" not in witness.names("_powernap._tcp"), 30, 0.5)
        assert json.loads((web1.state / "enrolment.json").read_text())["status"] == "managed"
