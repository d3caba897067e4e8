# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run Ansible against the lab, with its progress in a line for each task."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import time
from dataclasses import dataclass, field

from ..errors import LabError

ROOT = pathlib.Path(__file__).resolve().parents[6]
SITE = "powernap.powernap.site"


@dataclass
class Outcome:
    seconds: float = 0.0
    stats: dict = field(default_factory=dict)
    """host -> {"ok", "changed", "unreachable", "failures", "skipped"}"""
    problems: list = field(default_factory=list)
    changes: list = field(default_factory=list)
    told: dict = field(default_factory=dict)
    """host -> what debug tasks and the like have said"""


class Ansible:
    """inventories: files; everything that Ansible writes for itself goes below scratch."""

    def __init__(self, scratch: pathlib.Path, inventories):
        self.sockets = scratch / "cp"
        self.arguments = [word for path in inventories for word in ("-i", str(path))]
        self.environment = dict(
            os.environ,
            ANSIBLE_CONFIG=str(ROOT / "ansible.cfg"),
            ANSIBLE_HOME=str(scratch / "ansible"),
            ANSIBLE_SSH_CONTROL_PATH_DIR=str(self.sockets),
            ANSIBLE_FORKS="10",
            ANSIBLE_NOCOLOR="1",
            PYTHONDONTWRITEBYTECODE="1",
        )

    def playbook(self, show) -> Outcome:
        """Run site.yml; after each task show(seconds, task, counts) is called. Raises LabError where Ansible breaks."""
        outcome, began = Outcome(), time.monotonic()
        task, counts = "", {}
        command = [str(self._program("ansible-playbook")), *self.arguments, SITE]
        with subprocess.Popen(
            command, cwd=ROOT, env=dict(self.environment, ANSIBLE_STDOUT_CALLBACK="powernap.lab.progress"),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        ) as process:  # fmt: skip
            for line in process.stdout:
                if not line.startswith("{"):
                    continue
                event = json.loads(line)
                if "task" in event or "stats" in event:
                    if counts:
                        show(time.monotonic() - began, task, counts)
                    task, counts = event.get("task", "").replace("powernap.powernap.", ""), {}
                if "host" in event:
                    self._note(outcome, task, event)
                    counts[event["status"]] = counts.get(event["status"], 0) + 1
                outcome.stats = event.get("stats", outcome.stats)
            errors = process.stderr.read().strip()
        outcome.seconds = time.monotonic() - began
        self.hang_up()
        if process.returncode and not outcome.problems:
            raise LabError(f"ansible-playbook ended with {process.returncode}: {errors[-2000:] or 'it says nothing'}")
        return outcome

    @staticmethod
    def _note(outcome: Outcome, task: str, event: dict) -> None:
        if event["status"] in ("failed", "unreachable"):
            outcome.problems.append(f"{event['host']}: {task}: {event['message']}")
        elif event["status"] == "changed":
            outcome.changes.append(f"{event['host']}: {task}")
        elif event["message"] and event["status"] == "ok":
            outcome.told.setdefault(event["host"], []).append(event["message"])

    def adhoc(self, pattern: str, module: str, arguments: str) -> dict:
        """ansible PATTERN -m MODULE -a ARGUMENTS for one host; returns what the module returned. Raises LabError."""
        command = [str(self._program("ansible")), *self.arguments, pattern, "-m", module, "-a", arguments]
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        self.hang_up()
        _host, arrow, result = done.stdout.partition("=> ")
        if done.returncode or not arrow:
            raise LabError(
                f"'ansible {pattern} -m {module} -a {arguments}': {(done.stdout + done.stderr).strip()[-2000:]}"
            )
        return json.loads(result)

    def hang_up(self) -> None:
        """End the ssh connections that Ansible keeps. Left alone they end later, and that traffic is activity."""
        for control in self.sockets.glob("*"):
            command = ["ssh", "-o", f"ControlPath={control}", "-O", "exit", "lab"]
            subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=10)

    @staticmethod
    def _program(name: str) -> pathlib.Path:
        program = pathlib.Path(sys.executable).parent / name
        if not program.exists():
            raise LabError(f"{program} is missing: start the demo as scripts/demo, which installs it.")
        return program
