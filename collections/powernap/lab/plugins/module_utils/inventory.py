# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab as an Ansible inventory over ssh. The way in is a ProxyCommand, so Ansible runs outside, as ever."""

from __future__ import annotations

import json
import pathlib
import shlex
import sys

from . import first_boot

SCRIPT = pathlib.Path(__file__).resolve().parents[5] / "scripts" / "lab"
PERSIST_SECONDS = 10
"""How long ssh keeps a connection for the next task. Its end is traffic, and wakes a host that sleeps by then."""


def ssh_options(lab) -> list:
    """For ssh: who we are to the hosts and how to get there."""
    proxy = [sys.executable, "-S", str(SCRIPT), "--dir", str(lab.folder), "proxy", "%h", "%p"]
    return [
        "-o", "ProxyCommand=" + " ".join(word if word.startswith("%") else shlex.quote(word) for word in proxy),
        "-o", "IdentityFile=" + str(lab.folder / first_boot.CLIENT_KEY),
        "-o", "IdentitiesOnly=yes",
        "-o", "UserKnownHostsFile=" + str(lab.folder / "known_hosts"),
        "-o", "StrictHostKeyChecking=yes",
        "-o", "LogLevel=ERROR",
    ]  # fmt: skip


def data(lab) -> dict:
    """Groups as the topology has them; hosts in none are in ungrouped."""
    hosts = lab.hosts()
    groups: dict = {}
    for name, host in hosts.items():
        for group in host["groups"] or ["ungrouped"]:
            groups.setdefault(group, {"hosts": {}})["hosts"][name] = {"ansible_host": host["ipv4"]}
    persist = f"-o ControlMaster=auto -o ControlPersist={PERSIST_SECONDS}s"
    variables = {
        "ansible_control_path_dir": str(lab.folder / "ssh"),  # labs have the same addresses, and may be up at once
        "ansible_user": "root",
        "ansible_python_interpreter": "/usr/bin/python3",
        "ansible_ssh_args": persist,
        "ansible_ssh_common_args": " ".join(map(shlex.quote, ssh_options(lab))),
        "ansible_ssh_pipelining": True,
    }
    return {"all": {"vars": variables, "children": groups}}


def render(lab) -> str:
    """YAML; JSON is a part of it, and needs no library."""
    return "---\n" + json.dumps(data(lab), indent=2) + "\n"
