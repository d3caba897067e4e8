# SPDX-License-Identifier: GPL-3.0-or-later
"""avahi-daemon and a bus of its own in the namespace of a node; avahi-browse, the witness that is not ours."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.net.node import Node, wait_for

_BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path={socket}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow user="*"/><allow own="*"/><allow send_type="method_call"/>
<allow send_destination="*" eavesdrop="false"/><allow receive_sender="*"/></policy></busconfig>
"""
_AVAHI = """[server]
host-name={host}
use-ipv6=no
allow-interfaces=eth0
disallow-other-stacks=no
[publish]
publish-workstation=no
[rlimits]
"""


def missing() -> str:
    """Why avahi cannot be used here; "" where it can."""
    absent = [tool for tool in ("avahi-daemon", "avahi-browse", "dbus-daemon") if shutil.which(tool) is None]
    return f"needs {', '.join(absent)}: apt-get install avahi-daemon avahi-utils dbus-daemon" if absent else ""


class Avahi:
    """Runs while it is entered. ``environment``: for programs that are to use this bus."""

    def __init__(self, node: Node, directory: Path) -> None:
        self._node, self._directory = node, directory
        self.socket = directory / "bus"
        self.environment = {**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={self.socket}"}
        self._bus: subprocess.Popen[str] | None = None
        self._daemon: subprocess.Popen[str] | None = None

    def start(self) -> None:
        self._directory.mkdir(exist_ok=True)
        config = self._directory / "bus.conf"
        config.write_text(_BUS.format(socket=self.socket))
        (self._directory / "avahi.conf").write_text(_AVAHI.format(host=self._node.name))
        self._bus = self._node.start("dbus-daemon", f"--config-file={config}", "--nofork", "--nopidfile")
        wait_for(self.socket.exists, 20)
        self.start_daemon()

    def start_daemon(self) -> None:
        """Its process id and its socket have fixed places, which are its own here."""
        script = (
            "mount -t tmpfs none /run/avahi-daemon && exec avahi-daemon --no-drop-root --no-rlimits --no-chroot -f "
        )
        Path("/run/avahi-daemon").mkdir(exist_ok=True)
        command = ("unshare", "-m", "sh", "-c", f"{script}{self._directory}/avahi.conf")
        log = (self._directory / "avahi.log").open("a")
        self._daemon = self._node.start(*command, env=self.environment, stdout=log, stderr=log)
        wait_for(lambda: self._asked("org.freedesktop.Avahi"), 30, 0.1)

    def _asked(self, name: str) -> bool:
        command = ("dbus-send", f"--bus=unix:path={self.socket}", "--print-reply", "--dest=org.freedesktop.DBus", "/")
        answer = subprocess.run(
            (*command, "org.freedesktop.DBus.NameHasOwner", f"string:{name}"),
            capture_output=True,
            text=True,
            check=False,
            timeout=20,
        )
        return "boolean true" in answer.stdout

    def kill_daemon(self) -> None:
        assert self._daemon is not None
        self._daemon.kill()
        self._daemon.wait(10)

    def browse(self, kind: str) -> list[list[str]]:
        """What avahi-browse has resolved: fields of its lines (event, interface, protocol, name, ...)."""
        done = self._node.run("avahi-browse", "-rptk", kind, env=self.environment, check=False)
        return [line.split(";") for line in done.stdout.splitlines() if line.startswith("=")]

    def names(self, kind: str) -> set[str]:
        return {line[3] for line in self.browse(kind)}

    def stop(self) -> None:
        for process in (self._daemon, self._bus):
            if process is not None:
                process.kill()
                process.wait(10)


@contextlib.contextmanager
def avahi(node: Node, directory: Path) -> Iterator[Avahi]:
    made = Avahi(node, directory)
    try:
        made.start()
        yield made
    finally:
        made.stop()


class Announcer:
    """tests/net/announcer.py on a node, which is called by its own name. ``lines``: what it has written so far."""

    def __init__(self, node: Node, *words: str, environment: dict[str, str] | None = None) -> None:
        script = 'hostname "$1"; shift; exec "$@"'
        command = ("unshare", "--uts", "sh", "-c", script, "sh", node.name, sys.executable)
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        without = {**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nonexistent"}
        where = str(Path(__file__).with_name("announcer.py"))
        self.process = node.start(*command, where, *words, env=environment or without, **pipes)
        self.lines: list[str] = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.strip())

    def wait_for(self, text: str, seconds: float = 30.0) -> str:
        return wait_for(lambda: next((line for line in self.lines if text in line), ""), seconds, 0.02)

    def say(self, text: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()

    def end(self) -> None:
        """Let it say good-bye."""
        if self.process.poll() is None:
            self.say("")
            self.process.wait(20)

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)
