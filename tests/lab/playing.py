# SPDX-License-Identifier: GPL-3.0-or-later
"""Playbooks of the collection against hosts of the lab, as an operator runs them."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
from dataclasses import dataclass, field

ROOT = pathlib.Path(__file__).resolve().parents[2]
#: No machine of the lab has a clock that wakes it, and without one a canary is refused. This one never rings.
FAKE_CLOCK = """
mkdir -p /run/class/rtc/rtc0
cd /sys/class
for each in *; do mkdir -p /run/class/$each; mount --bind $each /run/class/$each; done
: >/run/class/rtc/rtc0/wakealarm; date +%s >/run/class/rtc/rtc0/since_epoch
mount --rbind /run/class /sys/class
mkdir -p /run/systemd/system/powernap-hands.service.d
printf '[Service]\\nReadWritePaths=/sys/class/rtc\\n' >/run/systemd/system/powernap-hands.service.d/clock.conf
systemctl daemon-reload
"""


@dataclass
class Played:
    """What one run came to. `said`: by host, what tasks said; `failed`: by host, why."""

    status: int
    stats: dict = field(default_factory=dict)
    said: dict = field(default_factory=dict)
    failed: dict = field(default_factory=dict)
    changes: list = field(default_factory=list)
    errors: str = ""

    def count(self, what):
        """Over all hosts: changed, failures, unreachable, ok, skipped."""
        return sum(each[what] for each in self.stats.values())


class Player:
    """`settings`: variables of the inventory by host or group, as in YAML files beside it."""

    def __init__(self, lab, scratch, settings):
        self.sockets = scratch / "cp"
        self._inventory = scratch / "inventory"
        for folder in (self.sockets, self._inventory):
            folder.mkdir()
        hosts = json.loads((lab.folder / "inventory.yml").read_text().removeprefix("---\n"))
        (self._inventory / "hosts.yml").write_text(json.dumps(hosts))
        for group, variables in settings.items():
            kind = "group_vars" if group in ("all", *hosts["all"]["children"]) else "host_vars"
            (self._inventory / kind).mkdir(exist_ok=True)
            (self._inventory / kind / f"{group}.yml").write_text(json.dumps(variables))
        self._environment = dict(
            os.environ,
            ANSIBLE_CONFIG=str(ROOT / "ansible.cfg"),
            ANSIBLE_HOME=str(scratch / "ansible"),
            ANSIBLE_SSH_CONTROL_PATH_DIR=str(self.sockets),
            ANSIBLE_FORKS="10",
            ANSIBLE_NOCOLOR="1",
            ANSIBLE_STDOUT_CALLBACK="powernap.lab.progress",
            PYTHONDONTWRITEBYTECODE="1",
        )

    def play(self, name, *arguments, seconds=400):
        """Run a playbook of the collection."""
        program = str(pathlib.Path(sys.executable).parent / "ansible-playbook")
        command = [program, "-i", str(self._inventory), f"powernap.powernap.{name}", *arguments]
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds,
        )
        self._hang_up()
        played, task = Played(done.returncode, errors=done.stderr.strip()), ""
        for line in done.stdout.splitlines():
            if not line.startswith("{"):
                continue
            event = json.loads(line)
            task = event.get("task", task)
            played.stats = event.get("stats", played.stats)
            self._note(played, task, event)
        return played

    @staticmethod
    def _note(played, task, event):
        if "host" not in event:
            return
        if event["status"] in ("failed", "unreachable"):
            played.failed.setdefault(event["host"], []).append(f"{task}: {event['message']}")
        if event["status"] == "changed":
            played.changes.append(f"{event['host']}: {task}")
        if event["message"]:
            played.said.setdefault(event["host"], []).append(event["message"])

    def _hang_up(self):
        """End the ssh connections that Ansible keeps: their end is traffic, and wakes who sleeps by then."""
        for control in self.sockets.glob("*"):
            command = ["ssh", "-o", f"ControlPath={control}", "-O", "exit", "lab"]
            subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=10)
