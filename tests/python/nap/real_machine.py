# SPDX-License-Identifier: GPL-3.0-or-later
"""powernapd as a process in a network namespace, beside a FakeLogind, a fake ethtool and a FakeWakeServer."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

from fake_link_server import FakeLinkServer, authority
from fake_logind import FakeLogind

from powernap.nap import control

CLONE_NEWNET = 0x40000000
#: Run a command without the jobs of cron and at of the machine that runs the tests; `ip netns exec` has made the mounts
#: its own.
WITHOUT_JOBS = """
for folder in /etc/cron.d /var/spool/cron /var/spool/at; do [ ! -d $folder ] || mount -t tmpfs none $folder; done
[ ! -f /etc/crontab ] || mount --bind /dev/null /etc/crontab
exec "$@"
"""


class Segment:
    """Two network namespaces, "here" and "there", joined by a cable; code can run on either side."""

    def __init__(self, name: str) -> None:
        self.names = {"here": f"{name}h", "there": f"{name}t"}
        here, there = self.names["here"], self.names["there"]
        self._libc = ctypes.CDLL(None, use_errno=True)
        for line in (
            f"netns add {here}",
            f"netns add {there}",
            f"link add eth0 netns {here} type veth peer name eth0 netns {there}",
            f"-n {here} addr add 198.18.0.1/16 dev eth0",
            f"-n {there} addr add 198.18.0.2/16 dev eth0",
            f"-n {here} addr add fd4c::1/64 dev eth0 nodad",
            f"-n {there} addr add fd4c::2/64 dev eth0 nodad",
            f"-n {here} link set lo up",
            f"-n {here} link set eth0 up",
            f"-n {there} link set eth0 up",
        ):
            subprocess.run(["ip", *line.split()], check=True, timeout=10)

    @contextmanager
    def on(self, side: str):
        """Run the block with this thread in the namespace of that side; sockets made in it stay there."""
        side = Path("/run/netns", self.names[side])
        with Path("/proc/thread-self/ns/net").open() as home, side.open() as there:
            self._enter(there.fileno())
            try:
                yield
            finally:
                self._enter(home.fileno())

    def _enter(self, fd: int) -> None:
        if self._libc.setns(fd, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")

    def close(self) -> None:
        for name in self.names.values():
            subprocess.run(["ip", "netns", "del", name], check=False, timeout=10)


class FakeWakeServer(FakeLinkServer):
    """A FakeLinkServer at the other end of the segment; ``status``: 200, or else it refuses; ``delay``: seconds."""

    REFUSED = ("awake", "asleep", "hello")

    def __init__(self, segment: Segment, folder: Path) -> None:
        self.ca_file, certificate = authority(folder)
        super().__init__(certificate, "198.18.0.2", 20709, lambda: segment.on("there"))

    @property
    def status(self) -> int:
        return 503 if self.refuse else 200

    @status.setter
    def status(self, status: int) -> None:
        error = {"error": "the registry is full"}
        self.refuse = dict.fromkeys(self.REFUSED, error) if status != 200 else {}

    @property
    def messages(self) -> list[tuple[str, dict]]:
        """Where the machine said that it is: a hello says that it is awake."""
        kinds = {"hello": "awake", "awake": "awake", "asleep": "asleep"}
        return [(kinds[kind], body) for kind, body in tuple(self.said_all) if kind in kinds]

    def said(self, verb: str) -> list[dict]:
        return [content for each, content in self.messages if each == verb]


class Machine:
    """powernapd as a process in the namespace "here", with a FakeLogind, a fake ethtool and a FakeWakeServer."""

    KEY = "5a" * 32

    def __init__(self, folder: Path, segment: Segment) -> None:
        self.folder, self.segment = folder, segment
        self.logind = FakeLogind(folder)
        self.server = FakeWakeServer(segment, folder)
        self.config = folder / "powernapd.toml"
        self.socket = folder / "control.sock"
        self.state = folder / "state"
        (folder / "client.key").write_text(self.KEY + "\n")
        (folder / "bin").mkdir()
        (folder / "bin/ethtool").symlink_to(Path(__file__).with_name("fake_ethtool"))
        (folder / "bin/wall").write_text(f"#!/bin/sh\ncat >> {folder}/wall.log\n")
        (folder / "bin/wall").chmod(0o755)
        (folder / "eth0.supported").write_text("pumbg\n")
        (folder / "eth0.armed").write_text("d\n")
        self.process: subprocess.Popen | None = None
        self.log = folder / "log"

    def write(self, nap: str = "", server: str = "", more: str = "", absent: float = 1.0) -> None:
        if "[monitors" not in more:
            more += '\n[monitors.ssh]\nkind = "tcp"\nports = [22]\n[warnings.wall]\nkind = "wall"\n'
        virtual = "" if "virtualization" in nap else 'virtualization = "none"\n'
        self.config.write_text(
            f"[nap]\nabsent_seconds = {absent}\ngrace_seconds = 0.4\nmin_awake_seconds = 0\nbackoff_seconds = 1\n"
            f'{virtual}{nap}\n[server]\nurl = "https://198.18.0.2:20709"\nname = "web1"\n'
            f'key_file = "{self.folder}/client.key"\nca_file = "{self.server.ca_file}"\n{server}\n{more}\n'
        )

    def start(self) -> Machine:
        environment = dict(
            os.environ,
            DBUS_SYSTEM_BUS_ADDRESS=self.logind.address,
            FAKE_ETHTOOL=str(self.folder),
            PATH=f"{self.folder}/bin:{os.environ['PATH']}",
        )
        namespace = ["ip", "netns", "exec", self.segment.names["here"], "sh", "-c", WITHOUT_JOBS, "sh"]
        self.process = subprocess.Popen([*namespace, *self.command()], env=environment, stderr=self.log.open("w"))
        self.until(lambda: "powernapd" in self.text() and "watches" in self.text(), "powernapd does not start")
        return self

    def command(self) -> list[str]:
        command = [sys.executable, "-m", "powernap", "powernapd", "--config", str(self.config), "--debug"]
        return [*command, "--state-dir", str(self.state), "--control-socket", str(self.socket)]

    def text(self) -> str:
        return self.log.read_text()

    def ask(self, command: str, **more: object) -> dict:
        return control.ask(str(self.socket), {"command": command, **more}, 20)

    def until(self, condition, complaint: str, seconds: float = 60.0):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if result := condition():
                return result
            time.sleep(0.02)
        raise AssertionError(f"{complaint}\n{self.text()}")

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            assert self.process.wait(10) == 0, self.text()

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.server.close()
        self.logind.close()
