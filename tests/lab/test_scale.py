# SPDX-License-Identifier: GPL-3.0-or-later
"""The shards of docs/scale.md, as they are printed there, with real hosts and a real wake server."""

from __future__ import annotations

import json
import os
import pathlib
import re
import subprocess
import sys

import pytest
from ansible_collections.powernap.lab.plugins.module_utils import inventory
from channel import asked
from napping import install

pytest.importorskip("ansible_runner", reason="needs ansible-runner: scripts/test brings it")

ROOT = pathlib.Path(__file__).resolve().parents[2]
HOSTS = ["file1", "guest1", "laptop1", "web1"]
PLAYBOOK = """
- name: Register the machines of a shard
  hosts: clients
  gather_facts: false
  tasks:
    - name: Fail on one
      ansible.builtin.fail:
        msg: as it was told to
      when: inventory_hostname == failing | default('')
    - name: Note that it ran here
      ansible.builtin.shell: echo once >>/run/shards
      changed_when: true
    - name: Register the machine
      powernap.powernap.powerwake_client:
        name: "{{ inventory_hostname }}"
        macs: ["{{ lookup('ansible.builtin.vars', 'mac') }}"]
      delegate_to: wake1
"""


@pytest.fixture(scope="module")
def site(running_lab):
    install(running_lab, "wake1", "powerwaked", "powerwake")
    running_lab.run(
        "wake1", "printf '[listen]\\n' >/etc/powernap/powerwaked.toml; systemctl start powerwaked", timeout=90
    )
    return running_lab


@pytest.fixture
def shards(site, tmp_path):
    """Runs shards.py; returns what it did."""
    text = (ROOT / "docs/scale.md").read_text()
    (tmp_path / "shards.py").write_text(re.search(r"```python\n(#!.*?)```", text, re.DOTALL).group(1))
    data = inventory.data(site)
    for name, host in data["all"]["children"]["clients"]["hosts"].items():
        host["mac"] = site.host(name)["mac"]
    (tmp_path / "hosts.json").write_text(json.dumps(data))

    def run(**more):
        playbook = PLAYBOOK.replace("  tasks:", f"  vars: {json.dumps(more)}\n  tasks:", 1)
        (tmp_path / "site.yml").write_text(playbook)
        environment = os.environ | {
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections"),
            "PATH": f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}",
        }
        words = [sys.executable, "shards.py", "hosts.json", "clients", "2", str(tmp_path / "site.yml")]
        return subprocess.run(
            words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=200
        )

    return run


def test_each_host_is_set_up_once_and_registered_whatever_its_shard(site, shards):
    done = shards()
    assert done.returncode == 0, done.stdout + done.stderr
    assert sorted(done.stdout.splitlines()) == ["clients[0:1]: successful", "clients[2:3]: successful"]
    assert [site.run(name, "cat /run/shards").stdout for name in HOSTS] == ["once\n"] * 4
    assert set(HOSTS) <= {host["name"] for host in asked(site, "list")["hosts"]}


def test_a_host_that_fails_is_told_and_keeps_no_other_shard_from_its_work(site, shards):
    for name in HOSTS:
        site.run(name, "rm -f /run/shards")
    done = shards(failing="laptop1")
    assert done.returncode != 0
    assert "failed: laptop1" in done.stdout and "as it was told to" in done.stdout
    ran = {name for name in HOSTS if site.run(name, "cat /run/shards", check=False).stdout}
    assert ran == set(HOSTS) - {"laptop1"}
