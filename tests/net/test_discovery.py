# SPDX-License-Identifier: GPL-3.0-or-later
"""Services that are published and found by either way, with avahi-browse as the witness that is not ours."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.net.lan import Lan, Node, wait_for
from tests.net.mdns import Announcer, Avahi, avahi, missing

KIND = "_powernap._tcp"
Announce = Callable[..., Announcer]


@pytest.fixture
def witness(bare_lan: Lan, tmp_path: Path) -> Iterator[Avahi]:
    if missing():
        pytest.skip(missing())
    with avahi(bare_lan.client("witness", 20), tmp_path / "witness") as made:
        yield made


@pytest.fixture
def announce() -> Iterator[Announce]:
    made: list[Announcer] = []

    def start(node: Node, *words: str, **how: dict[str, str]) -> Announcer:
        made.append(Announcer(node, *words, **how))
        return made[-1]

    yield start
    for each in made:
        each.kill()


@pytest.fixture
def both(bare_lan: Lan, tmp_path: Path) -> Iterator[tuple[Node, Avahi]]:
    """A node with an avahi-daemon of its own."""
    node = bare_lan.client("both", 21)
    with avahi(node, tmp_path / "both") as made:
        yield node, made


def test_zeroconf_is_seen_by_avahi_browse_and_so_are_its_changes(
    bare_lan: Lan, witness: Avahi, announce: Announce
) -> None:
    node = bare_lan.client("web1", 22)
    made = announce(node, "zeroconf", "publish", KIND, "web1", "first")
    assert "zeroconf" in made.wait_for("published")
    wait_for(lambda: "web1" in witness.names(KIND), 30, 0.3)
    line = witness.browse(KIND)[0]
    assert line[7] == node.ipv4 and line[8] == "20709" and '"id=first"' in line[9]
    made.say("second")
    wait_for(lambda: any('"id=second"' in line[9] for line in witness.browse(KIND)), 30, 0.3)
    made.end()
    wait_for(lambda: not witness.names(KIND), 30, 0.3)


def test_avahi_publishes_for_us_as_long_as_we_live(
    both: tuple[Node, Avahi], witness: Avahi, announce: Announce
) -> None:
    node, own = both
    made = announce(node, "auto", "publish", KIND, "web1", "first", environment=own.environment)
    assert "avahi" in made.wait_for("published")
    wait_for(lambda: "web1" in witness.names(KIND), 30, 0.3)
    made.say("second")
    wait_for(lambda: any('"id=second"' in line[9] for line in witness.browse(KIND)), 30, 0.3)
    made.kill()
    wait_for(lambda: not witness.names(KIND), 30, 0.3)


def test_avahi_that_is_started_again_publishes_us_again(
    both: tuple[Node, Avahi], witness: Avahi, announce: Announce
) -> None:
    node, own = both
    made = announce(node, "avahi", "publish", KIND, "web1", "first", environment=own.environment)
    made.wait_for("published")
    wait_for(lambda: "web1" in witness.names(KIND), 30, 0.3)
    own.kill_daemon()
    own.start_daemon()
    wait_for(lambda: "web1" in own.names(KIND), 30, 0.3)


def test_who_is_killed_is_remembered_since_it_said_no_good_bye(
    bare_lan: Lan, witness: Avahi, announce: Announce
) -> None:
    made = announce(bare_lan.client("web1", 22), "zeroconf", "publish", KIND, "web1", "first")
    made.wait_for("published")
    wait_for(lambda: "web1" in witness.names(KIND), 30, 0.3)
    made.kill()
    time.sleep(2)
    assert "web1" in witness.names(KIND)


@pytest.mark.parametrize("way", ["zeroconf", "avahi"])
def test_both_on_one_host_see_a_service_and_its_good_bye(
    bare_lan: Lan, both: tuple[Node, Avahi], announce: Announce, way: str
) -> None:
    node, own = both
    browser = announce(node, way, "browse", KIND, environment=own.environment)
    other = announce(bare_lan.client("web1", 22), "zeroconf", "publish", KIND, "web1", "first")
    found = json.loads(browser.wait_for('"web1"'))
    assert bare_lan.nodes[-1].ipv4 in found["addresses"]
    assert found["texts"] == {"v": "1", "id": "first"} and found["kind"] == KIND
    wait_for(lambda: "web1" in own.names(KIND), 30, 0.3)
    other.end()
    assert json.loads(browser.wait_for("gone")) == {"gone": "web1"}


def test_a_name_that_another_machine_has_becomes_another(bare_lan: Lan, witness: Avahi, announce: Announce) -> None:
    for number in (22, 23):
        made = announce(bare_lan.client(f"web{number}", number), "zeroconf", "publish", KIND, "web1", f"from {number}")
        made.wait_for("published")
    wait_for(lambda: len(witness.names(KIND)) == 2, 30, 0.3)


def test_a_port_that_another_holds_alone_is_one_sentence(bare_lan: Lan, announce: Announce) -> None:
    node = bare_lan.client("web1", 22)

    def hold() -> socket.socket:
        held = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        held.bind(("0.0.0.0", 5353))
        return held

    with node.inside(hold):
        tried = announce(node, "auto", "publish", KIND, "web1", "first")
        refusal = tried.wait_for("cannot be used")
    assert "avahi cannot be used" in refusal and refusal.endswith("another program holds its port 5353 alone")


def test_two_thousand_services_are_found_within_ten_seconds(bare_lan: Lan, announce: Announce) -> None:
    node = bare_lan.client("many", 22)
    many = announce(node, "many", node.ipv4, KIND, "2000")
    many.wait_for("published all", 120)
    browser = announce(bare_lan.client("looks", 23), "zeroconf", "browse", KIND)
    begun = time.monotonic()
    browser.wait_for("name", 30)
    wait_for(lambda: len({json.loads(line)["name"] for line in browser.lines}) == 2000, 60, 0.1)
    took = time.monotonic() - begun
    print(f"2000 services found in {took:.1f} s")
    assert took < 30
