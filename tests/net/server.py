# SPDX-License-Identifier: GPL-3.0-or-later
"""The wake server of a segment."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.net.node import Node, run, wait_for

from powernap.shared.wakeapi import WakeServer

if TYPE_CHECKING:
    from tests.net.lan import Lan


#: The capabilities that each packet path needs.
RIGHTS = {"classic": "+net_raw", "ebpf": "+net_raw,+net_admin,+bpf"}


class Server(Node):
    """The wake server: powerwaked as a process with the capabilities of its packet path, and no other."""

    def __init__(self, lan: Lan, name: str, number: int, directory: Path) -> None:
        super().__init__(lan, name, number)
        self.directory = directory
        self.path = "classic"
        self.pin: Path | None = None
        self.discovery = "off"  # it speaks on the segment without being asked
        self.settings: dict[str, str] = {"probe_seconds": "0.08"}
        self.environment: dict[str, str] | None = None
        self.process: subprocess.Popen[bytes] | None = None
        self.log = directory / "log"
        self.ca = directory / "tls" / "ca.pem"
        self.admin = WakeServer(str(directory / "admin.sock"), timeout=10)

    def configure(self) -> Path:
        wake = "\n".join(f"{key} = {value}" for key, value in self.settings.items())
        path = self.directory / "powerwaked.toml"
        path.write_text(
            f'[listen]\nadmin_socket = "{self.directory}/admin.sock"\n'
            f'[registry]\npath = "{self.directory}/registry.sqlite"\n[wake]\n{wake}\n'
            f'[discovery]\nuse = "{self.discovery}"\n'
            f'[path]\nuse = "{self.path}"\npin = "{self.pin or ""}"\n'
        )
        return path

    def command(self, config: Path) -> list[str]:
        rights = RIGHTS[self.path]
        setpriv = ["setpriv", f"--inh-caps=-all,{rights}", f"--bounding-set=-all,{rights}"]
        return [*setpriv, sys.executable, "-m", "powernap", "powerwaked", "--config", str(config)]

    def start(self) -> None:
        command = self.command(self.configure())
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                ["ip", "netns", "exec", self.namespace, *command], stderr=log, stdout=log, env=self.environment
            )
        wait_for(self._is_up, 30)
        assert {"classic": "classic BPF", "ebpf": "eBPF at tcx, pinned"}[self.path] in self.path_used()

    def use(self, path: str) -> None:
        """Before it is started: the packet path; eBPF is pinned, in a bpf file system of the test's own."""
        self.path = path
        if path == "ebpf":
            self._pins = self.directory / "bpf"
            self._pins.mkdir()
            run("mount", "-t", "bpf", "none", str(self._pins))
            self.pin = self._pins / "powerwaked"

    def path_used(self) -> str:
        """What status says of it."""
        return str(self.admin.get("/api/v1/status")["interfaces"][0]["packet_path"])

    def unpin(self) -> None:
        """What is pinned goes with its file system."""
        if self.pin is not None:
            run("umount", "--lazy", str(self._pins))

    def _is_up(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text()
        if not Path(self.admin.path).exists():
            return False
        try:
            return bool(self.admin.get("/api/v1/status"))
        except Exception:  # noqa: BLE001  a stale socket
            return False

    def stop(self, number: int = signal.SIGTERM) -> None:
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(10)
            self.process = None
