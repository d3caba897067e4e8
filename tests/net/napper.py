# SPDX-License-Identifier: GPL-3.0-or-later
"""powernapd as a process on a node, with files of its own; it only observes, so that this machine never sleeps."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.net.node import Node, run, wait_for

from powernap.nap import control

_CONFIG = """[nap]
mode = "observe"
virtualization = "none"
absent_seconds = 3600
grace_seconds = 60
[sleep]
direct = "never"
[monitors.load]
kind = "load"
[server]
key_file = "{folder}/client.key"
ca_file = "{folder}/server-ca.pem"
{server}
[enrolment]
token_file = "{folder}/enrol.token"
{enrolment}
[discovery]
{discovery}
"""


class Napper:
    """``folder``: stands for /etc/powernap; ``state``: what powernapd keeps."""

    def __init__(self, node: Node, folder: Path, bus: str = "/nonexistent", **sections: str) -> None:
        self.node, self.folder, self.state = node, folder, folder / "state"
        folder.mkdir(exist_ok=True)
        self.config = folder / "powernapd.toml"
        given = {"server": "", "enrolment": "", "discovery": "", **sections}
        self.config.write_text(_CONFIG.format(folder=folder, **given))
        self.log = folder / "log"
        self.socket = folder / "control.sock"
        self.environment = {**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={bus}"}
        self.process: subprocess.Popen[str] | None = None

    def _as(self, *words: str) -> list[str]:
        """A command on the node, which is called by its own name."""
        script = 'hostname "$1"; shift; exec "$@"'
        return ["unshare", "--uts", "sh", "-c", script, "sh", self.node.name, sys.executable, "-m", "powernap", *words]

    def start(self) -> None:
        where = ["--config", str(self.config), "--state-dir", str(self.state), "--control-socket", str(self.socket)]
        log = self.log.open("a")
        command = self._as("powernapd", *where, "--debug")
        self.process = self.node.start(*command, env=self.environment, stdout=log, stderr=log)
        wait_for(self._answers, 60, 0.05)

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text()
        try:
            return bool(self.status()["ok"])
        except control.ControlError:
            return False

    def status(self) -> dict[str, Any]:
        return control.ask(str(self.socket), {"command": "status"}, 20)

    def enrol(self, *words: str, text: str = "") -> subprocess.CompletedProcess[str]:
        """`powernap enrol` on the node."""
        where = ["--config", str(self.config), "--state-dir", str(self.state), "--control-socket", str(self.socket)]
        command = ["ip", "netns", "exec", self.node.namespace, *self._as("powernap", "enrol", *where, *words)]
        return run(*command, check=False, env=self.environment, input=text)

    def standing(self) -> dict[str, Any]:
        return dict(json.loads((self.state / "enrolment.json").read_text()))

    @property
    def key(self) -> str:
        return (self.folder / "client.key").read_text().strip()

    def is_linked(self) -> bool:
        server = self.status()["server"]
        return bool(server.get("link") and server["acknowledged"])

    def memory(self) -> int:
        """KiB."""
        assert self.process is not None
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(next(line for line in text.splitlines() if line.startswith("VmRSS")).split()[1])

    def stop(self, kill: bool = False) -> None:
        process, self.process = self.process, None
        if process is not None:
            process.kill() if kill else process.terminate()
            process.wait(20)
