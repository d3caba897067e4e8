# SPDX-License-Identifier: GPL-3.0-or-later
"""What an administrator may write wrongly in an inventory: site.yml stops with one sentence before it changes anything.

The host is this machine, in check mode, with the answer to what it is given by the inventory.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from powernap.config.sections.nap import ACTIONS
from powernap.profiles.render import templates

ROOT = Path(__file__).resolve().parents[3]
PLAYBOOK = Path(sys.executable).parent / "ansible-playbook"


def client(**variables: Any) -> dict[str, Any]:
    """Return an inventory with this machine as the one client, and a wake server."""
    machine = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    physical = {"nap": {"virtualization": "none"}}
    config = {**physical, **variables.pop("powernap_config", {})}
    return {
        "wake_servers": {"hosts": {"wake1": {}}},
        "clients": {"hosts": {"web1": {**machine, "powernap_config": config, **variables}}},
    }


def play(inventory: dict[str, Any], folder: Path) -> str:
    """Run the clients' part of site.yml, which must fail; return what it said."""
    file = folder / "inventory.yml"
    file.write_text(json.dumps(inventory))
    environment = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_HOME": str(folder / "ansible")}
    command = [PLAYBOOK, "powernap.powernap.site", "-i", file, "--check", "--limit", "clients"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode != 0, done.stdout
    assert "changed=0" in done.stdout
    return done.stdout + done.stderr


def test_names_a_misspelt_variable(tmp_path: Path) -> None:
    said = play(client(powernap_profle="web-server"), tmp_path)
    assert "no such variable: powernap_profle; did you mean powernap_profile?" in said


def test_names_a_misspelt_key_of_the_configuration(tmp_path: Path) -> None:
    said = play(client(powernap_config={"nap": {"absnt_seconds": 5}}), tmp_path)
    assert "absnt_seconds" in said and "powernap_config.nap" in said.replace(" -> ", ".")


def test_names_a_choice_that_there_is_not(tmp_path: Path) -> None:
    said = play(client(powernap_config={"nap": {"action": "sleep"}}), tmp_path)
    assert f"value of action must be one of: {', '.join(ACTIONS)}, got: sleep" in said


def test_names_the_profiles_for_one_that_is_unknown(tmp_path: Path) -> None:
    said = play(client(powernap_profile="webserver"), tmp_path)
    assert "powernap_profile: no profile webserver; did you mean web-server?" in said
    assert f"profiles: {', '.join(sorted(templates()))}" in said


def test_asks_for_a_wake_server_where_there_is_none(tmp_path: Path) -> None:
    inventory = client()
    del inventory["wake_servers"]
    said = play(inventory, tmp_path)
    assert "web1 has no wake server, and would not be woken: put a host into the group wake_servers" in said


def test_names_a_wake_server_that_is_not_in_the_inventory(tmp_path: Path) -> None:
    said = play(client(powernap_wake_server="wake9"), tmp_path)
    assert "powernap_wake_server names wake9, which is not in the inventory" in said


def test_names_an_interpreter_that_is_not_there(tmp_path: Path) -> None:
    said = play(client(powernap_python="/nonexistent/python3"), tmp_path)
    assert "powernap_python: /nonexistent/python3 is not there on web1" in said
