# SPDX-License-Identifier: GPL-3.0-or-later
"""A real powernapd on a host that only pretends to sleep, and a proxy between it and the wake server that kills."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from tests.net.lan import Lan, wait_for
from tests.net.napper import Napper
from tests.net.sleeper import Sleeper
from tests.python.nap.fake_logind import FakeLogind

PROXY_PORT = 20710
_CONFIG = """[nap]
virtualization = "none"
absent_seconds = 3600
grace_seconds = 1
min_awake_seconds = 0
backoff_seconds = 1
[sleep]
direct = "never"
[monitors.load]
kind = "load"
[server]
url = "https://{server}:{port}"
name = "web1"
tcp_ports = [80]
key_file = "{folder}/client.key"
ca_file = "{folder}/server-ca.pem"
{more}
"""


class FakeSleep(FakeLogind):
    """The host's card goes deaf and powernapd stands still, until a magic packet comes."""

    def __init__(self, folder: Path, host: Host) -> None:
        self.host = host
        super().__init__(folder)

    def _sleep(self) -> None:
        self.preparing = True
        self._signal("PrepareForSleep", True)
        self._await_delays()
        self.host.woken.clear()
        self.host.stand_still(signal.SIGSTOP)
        self.history.append("asleep")
        self.host.node.sleep()
        self.host.woken.wait(120)
        self.host.stand_still(signal.SIGCONT)
        self.preparing = False
        self.history.append("awake")
        self._signal("PrepareForSleep", False)


class Host(Napper):
    """``naps``: how often it was put to sleep; ``before``: shell, run in powernapd's own mount namespace first."""

    def __init__(self, lan: Lan, folder: Path, port: int = PROXY_PORT, more: str = "") -> None:
        self.node: Sleeper = lan.sleeper("web1", 22)
        super().__init__(self.node, folder)
        self.woken = threading.Event()
        self.before = ":"
        self.node.says_hello = False  # powernapd does
        self.node.wake = self._wake  # type: ignore[method-assign]  # it is told when the packet came
        self.logind = FakeSleep(folder, self)
        bin_folder = folder / "bin"
        bin_folder.mkdir()
        (bin_folder / "ethtool").symlink_to(Path(__file__).parents[1] / "python/nap/fake_ethtool")
        (folder / "eth0.supported").write_text("pumbg\n")
        (folder / "eth0.armed").write_text("d\n")
        (folder / "client.key").write_text(self.node.key + "\n")
        (folder / "server-ca.pem").write_text(lan.server.ca.read_text())
        self.config.write_text(_CONFIG.format(folder=folder, server=lan.server.ipv4, port=port, more=more))
        self.environment |= {
            "DBUS_SYSTEM_BUS_ADDRESS": self.logind.address,
            "FAKE_ETHTOOL": str(folder),
            "PATH": f"{bin_folder}:{os.environ['PATH']}",
        }

    def _as(self, *words: str) -> list[str]:
        script = f'{self.before}; exec "$@"'
        return ["unshare", "-m", "sh", "-c", script, "sh", sys.executable, "-m", "powernap", *words]

    def _wake(self) -> None:
        Sleeper.wake(self.node)
        self.woken.set()

    @property
    def naps(self) -> int:
        return self.logind.history.count("asleep")

    @property
    def asleep(self) -> bool:
        return self.node.asleep or self.logind.preparing

    def stand_still(self, number: int) -> None:
        """Stop powernapd as the kernel would, or let it go on."""
        process = self.process
        if process is not None and process.poll() is None:
            process.send_signal(number)

    def end(self) -> None:
        self.woken.set()
        self.stop(kill=True)
        self.logind.close()


class Proxy:
    """Between powernapd and powerwaked, on the wake server's node: it counts, and cuts where it is told to."""

    def __init__(self, lan: Lan) -> None:
        self.lan = lan
        self.count = {"to-server": 0, "to-client": 0}
        self._cut: tuple[str, int, Callable[[], None]] | None = None
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._listener = lan.server.inside(lambda: socket.create_server((lan.server.ipv4, PROXY_PORT), backlog=64))
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self, direction: str, after: int, what: Callable[[], None]) -> None:
        """Once so many more bytes went that way, do that, and let no more through on that connection."""
        with self._lock:
            self.count = dict.fromkeys(self.count, 0)
            self._cut = direction, after, what
            self._over.clear()

    @property
    def armed(self) -> bool:
        """Whether the cut is still to come."""
        return self._cut is not None

    def uncut(self) -> None:
        """No cut any more; one that has begun is over then."""
        with self._lock:
            begun, self._cut = self._cut is None, None
        assert not begun or self._over.wait(20)

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                peer, _ = self._listener.accept()
                threading.Thread(target=self._join, args=(peer,), daemon=True).start()

    def _join(self, client: socket.socket) -> None:
        try:
            server = self.lan.server.inside(lambda: socket.create_connection((self.lan.server.ipv4, 20709), 5))
        except OSError:
            client.close()
            return
        server.settimeout(None)
        for direction, here, there in (("to-server", client, server), ("to-client", server, client)):
            threading.Thread(target=self._pass, args=(direction, here, there), daemon=True).start()

    def _pass(self, direction: str, here: socket.socket, there: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := here.recv(65536):
                data, what = self._judge(direction, data)
                there.sendall(data)
                if what is not None:
                    time.sleep(0.003)  # what went through is heard, or not, as it comes
                    what()
                    self._over.set()
                    break
        for end in (here, there):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _judge(self, direction: str, data: bytes) -> tuple[bytes, Callable[[], None] | None]:
        with self._lock:
            before = self.count[direction]
            self.count[direction] += len(data)
            if self._cut is None or self._cut[0] != direction or self.count[direction] < self._cut[1]:
                return data, None
            _direction, after, what = self._cut
            self._cut = None
            return data[: max(0, after - before)], what


def stood_in_for(lan: Lan, seconds: float = 60.0) -> None:
    """Wait until the wake server stands in for the host."""
    wait_for(lambda: lan.state("web1") == "proxied", seconds, 0.05)
