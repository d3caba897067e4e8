# SPDX-License-Identifier: GPL-3.0-or-later
"""Segments of real kernels, as in tests/net: powerwaked with settings, or the original's design in its place."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.net.lan import Lan
from tests.net.sleeper import Sleeper

from bench.until import until


@contextlib.contextmanager
def segment_with(use: str = "ebpf", **settings: str) -> Iterator[Lan]:
    """`settings` of [wake]. The server is not yet started."""
    with tempfile.TemporaryDirectory() as folder:
        lan = Lan(Path(folder))
        try:
            lan.server.use(use)
            lan.server.settings |= settings
            yield lan
        finally:
            lan.close()


class Original:
    """The original's design at the wake server's place."""

    def __init__(self, lan: Lan, pairs: Iterable[tuple[str, str]]) -> None:
        """`pairs`: (IPv4 address, MAC) of each that it wakes."""
        hosts = lan.server.directory / "hosts"
        hosts.write_text("".join(f"{address}={mac}\n" for address, mac in pairs))
        self._log = lan.server.directory / "original.log"
        command = [sys.executable, "-m", "bench.baselines.scapy_powerwake", "eth0", f"@{hosts}"]
        with self._log.open("w") as log:
            self._process = subprocess.Popen(["ip", "netns", "exec", lan.server.namespace, *command], stdout=log)
        until(lambda: "ready" in self._log.read_text(), "start of the original's design")

    def frames(self) -> int:
        """How many have reached it."""
        said = len(self._log.read_text().split())
        self._process.send_signal(signal.SIGUSR1)
        until(lambda: len(self._log.read_text().split()) > said, "answer of the original's design")
        return int(self._log.read_text().split()[-1])

    def end(self) -> None:
        self._process.kill()
        self._process.wait()


def unregistered(lan: Lan, name: str, number: int) -> Sleeper:
    """A host that sleeps without a word to anybody, as with the original."""
    host = Sleeper(lan, name, number)
    host.says_hello = False
    lan.nodes.append(host)
    return host
