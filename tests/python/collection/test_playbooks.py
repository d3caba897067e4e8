# SPDX-License-Identifier: GPL-3.0-or-later
"""How the playbooks ask wake servers: a fake one, and clients whose connections lead nowhere or to this machine."""

import json
import os
import re
import runpy
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
PLAYBOOK = Path(sys.executable).parent / "ansible-playbook"
HERE = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable, "ansible_become": False}
FAKE = runpy.run_path(str(ROOT / "tests/unit/fake_powerwaked.py"))["FakePowerwaked"]


@pytest.fixture
def fake_server() -> Iterator[Any]:
    server = FAKE()
    yield server
    server.close()


def play(
    fake_server: Any,
    folder: Path,
    playbook: str | Path,
    *options: str,
    clients: Any = ("web1",),
    servers: Any = None,
    **client: Any,
) -> str:
    """Run a playbook for the clients, with a wake server that does not listen where others do; return what it said.

    ``playbook``: of the collection by name, or a file.
    ``clients``: names, or variables by name. ``servers``: variables of other wake servers by name.
    """
    wake1 = {**HERE, "powerwaked_config": {"listen": {"admin_socket": fake_server.socket}}}
    own = clients if isinstance(clients, dict) else {name: {} for name in clients}
    machines = {name: {**HERE, **client, **variables} for name, variables in own.items()}
    hosts = {"wake_servers": {"hosts": {"wake1": wake1, **(servers or {})}}, "clients": {"hosts": machines}}
    file = folder / "inventory.yml"
    file.write_text(json.dumps(hosts))
    environment = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_HOME": str(folder / "ansible")}
    for name in [name for name in environment if name.startswith("POWERWAKE_")]:
        del environment[name]
    named = f"powernap.powernap.{playbook}" if isinstance(playbook, str) else playbook
    command = [PLAYBOOK, named, "-i", file, "--limit", "clients", *options]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240, check=False)
    return done.stdout + done.stderr


def orders(fake_server: Any) -> list[Any]:
    return [body for method, path, body in fake_server.calls if (method, path) == ("POST", "/api/v1/orders")]


def tasks_in(listed: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the tasks of plays, tasks and blocks."""
    for each in listed:
        yield each
        for part in ("tasks", "pre_tasks", "post_tasks", "block", "rescue", "always"):
            yield from tasks_in(each.get(part) or [])


def test_the_wake_server_is_asked_where_the_inventory_says_that_it_listens(fake_server: Any, tmp_path: Path) -> None:
    fake_server.add("web1", "proxied")
    said = play(fake_server, tmp_path, "wake")
    assert [order["hosts"] for order in orders(fake_server)] == [["web1"]], said
    assert "done: woken" in said, said


def test_every_task_that_asks_a_wake_server_says_where_it_listens() -> None:
    asking = []
    for path in sorted(ROOT.glob("playbooks/**/*.yml")):
        content = yaml.safe_load(path.read_text())
        for task in tasks_in(content) if isinstance(content, list) else ():
            for name, options in task.items():
                if name.startswith("powernap.powernap.powerwake"):
                    asking.append(path.name)
                    assert "__powernap_sockets[" in options.get("socket", ""), f"{path}: {task['name']}"
    assert len(asking) >= 7


@pytest.fixture
def unreachable(tmp_path: Path) -> dict[str, str]:
    """Variables of a client whose connection leads nowhere."""
    ssh = tmp_path / "fake-ssh"
    ssh.write_text("#!/bin/sh\necho nobody is let in >&2\nexit 255\n")
    ssh.chmod(0o755)
    return {"ansible_connection": "ssh", "ansible_ssh_executable": str(ssh)}


def test_a_batch_of_which_nobody_can_be_reached_is_let_go_of(
    fake_server: Any, tmp_path: Path, unreachable: dict[str, str]
) -> None:
    names = ["web1", "web2"]
    for name in names:
        fake_server.add(name, lease=True)
    said = play(fake_server, tmp_path, "site", "-e", '{"powernap_serial": [2]}', clients=names, **unreachable)
    given = [(order["verb"], order["hosts"]) for order in orders(fake_server)]
    assert given == [("inhibit", names), ("release", names)], said
    assert len({order["arguments"]["reason"] for order in orders(fake_server)}) == 1
    assert "fatal: [web2]: UNREACHABLE" in said, "one is told apart, and the other is as unreachable as ever"


@pytest.mark.parametrize("playbook", ["nap", "wake", "status", "profile", "drain"])
def test_a_misspelt_variable_is_refused_before_anybody_is_asked(
    fake_server: Any, tmp_path: Path, unreachable: dict[str, str], playbook: str
) -> None:
    fake_server.add("web1")
    said = play(fake_server, tmp_path, playbook, "-e", "powernap_actoin=suspend", **unreachable)
    assert "no such variable: powernap_actoin; did you mean powernap_action?" in said, said
    assert fake_server.calls == [] and "unreachable=0" in said, said


@pytest.mark.parametrize("given", ["powernap_drain=haprox", "powernap_hold=9"])
def test_nobody_is_woken_for_a_drain_that_there_is_not(fake_server: Any, tmp_path: Path, given: str) -> None:
    fake_server.add("web1", "proxied")
    said = play(fake_server, tmp_path, "drain", "-e", given)
    assert "powernap_drain: say haproxy, slurm, kubernetes, nova or the path of a script of your own" in said, said
    assert fake_server.calls == []


@pytest.mark.parametrize("playbook", ["site", "drain"])
def test_with_check_who_sleeps_is_neither_woken_nor_connected_to_and_is_told(
    fake_server: Any, tmp_path: Path, unreachable: dict[str, str], playbook: str
) -> None:
    fake_server.add("web1", "proxied")
    said = play(fake_server, tmp_path, playbook, "--check", "-e", "powernap_drain=slurm", **unreachable)
    assert "nobody is woken, and what would change is not known of web1" in said, said
    assert "unreachable=0" in said and "failed=0" in said and "changed=0" in said, said
    assert all(order["dry_run"] for order in orders(fake_server))


def test_a_wake_server_that_is_not_reached_when_machines_are_registered_costs_those_of_the_others_nothing(
    fake_server: Any, tmp_path: Path, unreachable: dict[str, str]
) -> None:
    for name in ("web1", "web2"):
        fake_server.add(name, lease=True)
    said = play(
        fake_server,
        tmp_path,
        "site",
        "--check",  # without it this machine would be set up
        "--tags=register",
        "-e",
        '{"powernap_serial": [2]}',
        clients={name: {"powernap_wake_server": server} for name, server in (("web1", "wake1"), ("web2", "wake2"))},
        servers={"wake2": unreachable},
        powernap_config={"nap": {"virtualization": "none"}},
    )
    assert "failed: [web1 -> wake2] (item=wake2)" in said, said
    for name in ("web1", "web2"):
        assert re.search(f"{name} +: ok=[0-9]+ +changed=[0-9]+ +unreachable=0 +failed=0", said), said
    given = said.partition("TASK [powernap.powernap.powernapd : Give the machine its key")[2]
    assert "changed: [web1]" in given, said


def test_a_wake_server_that_is_not_reached_for_canaries_is_told_and_costs_those_of_the_others_nothing(
    fake_server: Any, tmp_path: Path, unreachable: dict[str, str]
) -> None:
    fake_server.add("web1")
    canaries = tmp_path / "canaries.yml"
    known = {
        "__powernap_servers": ["wake1", "wake2"],
        "__powernap_sockets": {"wake1": fake_server.socket},
        "__powernap_hosts": {name: name for name in ("web1", "web2")},
        "__powernap_batch": ["web1", "web2"],
        "__powernap_kinds": ["rack1", "rack2"],
    }
    proven = {"ansible.builtin.import_tasks": str(ROOT / "playbooks/tasks/canary.yml")}
    told = {"ansible.builtin.debug": {"msg": "told: {{ inventory_hostname }} {{ __powernap_problem }}"}}
    plays = [
        {"hosts": "clients", "gather_facts": False, "vars": known, "tasks": [proven]},
        {"hosts": "__powernap_problems", "gather_facts": False, "tasks": [told]},
    ]
    canaries.write_text(json.dumps(plays))
    said = play(fake_server, tmp_path, canaries, clients=["web1", "web2"], servers={"wake2": unreachable})
    assert said.count("told: ") == 1, said
    assert "told: web1 is set up, but wake2 could not have one machine of each kind prove that it wakes: " in said, said
    assert "nobody is let in" in said.partition("told: ")[2], said
    assert "unreachable=0" in said and "failed=0" in said, said
    assert ("GET", "/api/v1/hosts/web1") in [call[:2] for call in fake_server.calls], "wake1 was asked"


def test_who_is_not_registered_is_unreachable_as_ever(
    fake_server: Any, tmp_path: Path, unreachable: dict[str, str]
) -> None:
    said = play(fake_server, tmp_path, "site", **unreachable)
    assert "unreachable=1" in said and "failed=0" in said, said


def test_who_is_removed_is_woken_and_held_before_and_let_go_of_after(fake_server: Any, tmp_path: Path) -> None:
    fake_server.add("web1", "proxied")
    names = ["web1", "web2"]  # the second is not registered
    said = play(
        fake_server, tmp_path, "remove", "--check", clients=names
    )  # without it this machine would be removed from
    given = [(order["verb"], order["hosts"]) for order in orders(fake_server)]
    assert given == [("inhibit", names), ("release", names)], said
    assert said.count("failed=0") == 2, said
