# SPDX-License-Identifier: GPL-3.0-or-later
"""The roles played against a lab, and what a host is like, file by file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field

from ansible_collections.powernap.lab.plugins.module_utils import inventory
from conftest import ROOT

#: Paths, modes, owners, links and contents; what is enabled; kernel settings and cards. Not logs, caches and backups.
SHOW = """
cd /
all() { find etc usr var/lib -xdev -name __pycache__ -prune -o -path var/lib/fake-ethtool -prune -o \
    -path 'var/lib/dpkg/*-old' -prune -o -path 'etc/*-' -prune -o "$@"; }
all -printf '%p %y %m %U %G %l\\n'
all -type f -print0 | xargs -0 sha256sum
systemctl list-unit-files --no-legend --plain | awk '$2 != "transient" { print "unit", $1, $2 }'
for key in net/ipv4/conf/all/arp_notify net/ipv6/conf/all/ndisc_notify; do echo $key $(cat /proc/sys/$key); done
ethtool eth0
"""


@dataclass
class Played:
    """``stats``: {host: {"ok", "changed", "failures", ...}}; ``changes``, ``failed``, ``told``: texts "host: what"."""

    returncode: int
    errors: str
    stats: dict = field(default_factory=dict)
    changes: list = field(default_factory=list)
    failed: list = field(default_factory=list)
    told: list = field(default_factory=list)

    def changed(self):
        return {host: counts["changed"] for host, counts in self.stats.items() if counts["changed"]}


class RolePlayer:
    """``variables``: {host: {name: value}}, beside what the topology says."""

    def __init__(self, lab, folder, variables):
        self.folder = folder
        hosts = inventory.data(lab)
        hosts["all"]["hosts"] = variables
        (folder / "hosts.yml").write_text(json.dumps(hosts))

    def play(self, what, *words, timeout=400, succeeds=True, **extra):
        """Run a playbook; a warning is a fault."""
        environment = dict(
            os.environ,
            ANSIBLE_CONFIG=str(ROOT / "ansible.cfg"),
            ANSIBLE_HOME=str(self.folder / "ansible"),
            ANSIBLE_SSH_CONTROL_PATH_DIR=str(self.folder / "cp"),
            ANSIBLE_STDOUT_CALLBACK="powernap.lab.progress",
            ANSIBLE_INJECT_FACT_VARS="0",
            ANSIBLE_NOCOLOR="1",
            PYTHONDONTWRITEBYTECODE="1",
        )
        command = [sys.executable, "-m", "ansible", "playbook", "-i", str(self.folder / "hosts.yml"), what, *words]
        command += ["-e", json.dumps(extra)] if extra else []
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=timeout, check=False
        )
        played, task = Played(done.returncode, done.stderr), ""
        for event in (json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")):
            task = event.get("task", task)
            played.stats = event.get("stats", played.stats)
            if "host" in event:
                self._note(played, event, task)
        if succeeds:
            assert played.returncode == 0, (played.failed, played.errors)
            assert "WARNING" not in played.errors, played.errors
        return played

    @staticmethod
    def _note(played, event, task):
        if event["status"] == "changed":
            played.changes.append(f"{event['host']}: {task}")
        if event["status"] in ("failed", "unreachable"):
            played.failed.append(f"{event['host']}: {task}: {event['message']}")
        if event["message"]:
            played.told.append(f"{event['host']}: {event['message']}")


def looks(lab, name):
    """What a host is like, a line for each thing."""
    return sorted(lab.run(name, SHOW, timeout=120).stdout.splitlines())


def differences(before, after):
    """The lines that only one of two has."""
    gone, new = sorted(set(before) - set(after)), sorted(set(after) - set(before))
    return [f"- {line}" for line in gone] + [f"+ {line}" for line in new]
