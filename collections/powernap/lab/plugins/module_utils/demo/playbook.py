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
import tempfile
import threading
import time
from dataclasses import dataclass, field

from ..errors import LabError

ROOT = pathlib.Path(__file__).resolve().parents[6]
SITE = "powernap.powernap.site"
_LONGEST = 1200  # seconds; the longest takes a minute or two


@dataclass
class Outcome:
    """What one run came to."""

    status: int = 0
    seconds: float = 0.0
    stats: dict = field(default_factory=dict)
    """host -> {"ok", "changed", "unreachable", "failures", "skipped"}"""
    failed: dict = field(default_factory=dict)
    """host -> why, each with its task"""
    changes: list = field(default_factory=list)
    said: dict = field(default_factory=dict)
    """host -> what its tasks have said, whatever came of them"""
    errors: str = ""
    """what Ansible itself has said, its warnings too"""

    @property
    def problems(self) -> list:
        return [f"{host}: {why}" for host, reasons in self.failed.items() for why in reasons]

    def count(self, what: str) -> int:
        """Of all hosts together; what: one of the keys of stats."""
        return sum(counts[what] for counts in self.stats.values())

    def note(self, task: str, event: dict) -> None:
        host, status, message = event["host"], event["status"], event["message"]
        if status in ("failed", "unreachable"):
            self.failed.setdefault(host, []).append(f"{task}: {message}")
        elif status == "changed":
            self.changes.append(f"{host}: {task}")
        if message:
            self.said.setdefault(host, []).append(message)


class Ansible:
    """inventories: files or folders; everything that Ansible writes for itself goes below scratch."""

    def __init__(self, scratch: pathlib.Path, inventories):
        self.sockets = scratch / "cp"
        self.within: list = []  # words before a program's, such as those that enter another network
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

    def site(self, show) -> Outcome:
        """Run site.yml; show as for play(). Raises LabError where Ansible breaks."""
        outcome = self.play(SITE, show=show)
        if outcome.status and not outcome.failed:
            said = outcome.errors[-2000:] or "it says nothing"
            raise LabError(f"ansible-playbook ended with {outcome.status}: {said}")
        return outcome

    def play(self, playbook: str, *arguments: str, show=lambda *_: None) -> Outcome:
        """Run a playbook; after each task show(seconds, task, counts) is called. LabError: it has no end."""
        outcome, began = Outcome(), time.monotonic()
        task, counts = "", {}
        command = [*self.within, str(self._program("ansible-playbook")), *self.arguments, playbook, *arguments]
        with tempfile.TemporaryFile("w+") as errors, subprocess.Popen(
            command, cwd=ROOT, env=dict(self.environment, ANSIBLE_STDOUT_CALLBACK="powernap.lab.progress"),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, text=True,
        ) as process:  # fmt: skip
            end = threading.Timer(_LONGEST, process.kill)
            end.start()
            for line in process.stdout:
                if not line.startswith("{"):
                    continue
                event = json.loads(line)
                if "task" in event or "stats" in event:
                    if counts:
                        show(time.monotonic() - began, task, counts)
                    task, counts = event.get("task", "").replace("powernap.powernap.", ""), {}
                if "host" in event:
                    outcome.note(task, event)
                    counts[event["status"]] = counts.get(event["status"], 0) + 1
                outcome.stats = event.get("stats", outcome.stats)
            outcome.status = process.wait()
            end.cancel()
            errors.seek(0)
            outcome.errors = errors.read().strip()
        outcome.seconds = time.monotonic() - began
        self.hang_up()
        if outcome.seconds > _LONGEST:
            raise LabError(f"ansible-playbook {playbook} did not end within {_LONGEST} s; it was at: {task}")
        return outcome

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
            timeout=_LONGEST,
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
