# SPDX-License-Identifier: GPL-3.0-or-later
"""The EXAMPLES of the plugins, each run as it is shown, on hosts with the names that they use: one story, in order."""

from __future__ import annotations

import contextlib
import pathlib
import re

import pytest
from channel import powerwake
from conftest import ROOT
from exampling import pieces
from stages import LAST, STAGES, somebody_asks
from trying import CLIENTS, Operator

PLAYBOOKS = ROOT / "playbooks"
TOPOLOGY = pathlib.Path(__file__).with_name("examples.toml")
INVENTORIES = [piece for piece in pieces() if piece.plugin.startswith("inventory/")]
SOURCES = [piece for piece in pieces() if piece.plugin.startswith("event_source/")]


def commands_of(playbook):
    """Those in the comment at its head, with all that may be left out."""
    head = playbook.read_text().partition("\n- ")[0]
    return [found.replace("[", "").replace("]", "") for found in re.findall(r"ansible-playbook powernap\..+", head)]


@pytest.fixture(scope="module")
def operator(start_lab, tmp_path_factory):
    with start_lab("examples", TOPOLOGY) as lab:
        operator = Operator(lab, tmp_path_factory.mktemp("operator"))
        operator.is_set_up()
        yield operator


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_examples_do_what_they_say(operator, stage):
    operator.tries(stage)


def test_what_stands_at_the_head_of_a_playbook_runs_it(operator):
    lab = operator.lab
    operator.is_awake(*CLIENTS)
    shown = {
        command.split()[1].rpartition(".")[2]: command
        for path in PLAYBOOKS.glob("*.yml")
        for command in commands_of(path)
    }
    drain = shown.pop("drain")
    operator.says(drain)
    assert lab.run("web1", "grep -c drain /etc/powernap/powernapd.d/*.toml", check=False).returncode == 0
    operator.says(re.sub("powernap_drain=.*", "powernap_drain=", drain))
    profile = shown.pop("profile")
    operator.says(profile)
    assert operator.until(
        lambda: {operator.known()[name]["status"]["profile"] for name in ("web1", "web2")} == {"night"}
    )
    operator.says(re.sub("powernap_ordered_profile=.*", "powernap_ordered_profile=", profile))
    operator.says(shown.pop("nap"))
    lab.wait_state(["web1", "web2"], "asleep", 60)
    operator.says(shown.pop("status"))
    assert '"napping"' in (operator.folder / "FILE").read_text() and lab.state("web1") == "asleep"
    operator.says(shown.pop("wake"))
    lab.wait_state(["web1", "web2"], "awake", 60)
    assert not shown


@pytest.mark.parametrize("piece", [piece for piece in INVENTORIES if piece.data], ids=lambda piece: piece.name)
def test_an_inventory_has_the_machines_of_the_wake_server(operator, piece):
    """The commands below them are for each of them."""
    operator.is_awake(*CLIENTS)
    powerwake(operator.lab, "register lamp1 --mac 02:4c:00:00:00:63 --address 192.0.2.99", host="wake2")
    operator.naps("web1")
    (operator.folder / "site.powerwaked.yml").write_text(piece.text)
    graph, ping = next(each for each in INVENTORIES if each.data is None).commands
    with operator.on_the_wake_server() if "on the wake server" in piece.name else contextlib.nullcontext():
        listed = operator.says(graph)
        assert re.search(r"@powernap_state_napping:\n.*--web1\n", listed) and ("lamp1" in listed) is (
            "servers" in piece.data
        )
        reached = operator.says(ping)
        assert {name for name in CLIENTS if f"{name} | SUCCESS" in reached} == {
            "web2",
            "file1",
        } and "web1" not in reached
    assert operator.lab.state("web1") == "asleep"
    if piece.data.get("wake_on_connect"):
        assert "web1 | SUCCESS" in operator.says("ansible web1 -i site.powerwaked.yml -m ansible.builtin.ping")


@pytest.mark.parametrize("piece", SOURCES, ids=lambda piece: piece.name)
def test_a_source_tells_what_it_is_asked_for(operator, piece):
    (args,) = (data for name, data in piece.data.items() if name.startswith("powernap."))
    if "server" in args:
        operator.is_awake("web1")
        told = operator.follows(args, lambda: (operator.naps("web1"), powerwake(operator.lab, "wake web1")))
        assert told["event"] == "awake" and told["hosts"] == ["web1"]
    else:
        told = operator.follows_on_the_wake_server(args, lambda: somebody_asks(operator, "web9", ca="ee" * 32))
        assert told["event"] == "alert" and "another CA" in told["detail"]


@pytest.mark.parametrize("stage", LAST, ids=lambda stage: stage.name)
def test_examples_of_which_little_is_left_do_what_they_say(operator, stage):
    operator.tries(stage)


def test_every_example_is_run_by_a_test():
    """What is neither a task nor a play, the tests above take whole."""
    run = {piece.key for stage in (*STAGES, *LAST) for piece in stage.pieces} | {
        piece.key for piece in (*INVENTORIES, *SOURCES)
    }
    assert [piece.key for piece in pieces() if piece.key not in run] == []
    assert [key for stage in (*STAGES, *LAST) for key in stage.examples if not stage.of(key)] == [], (
        "there are none such"
    )
