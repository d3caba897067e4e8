# SPDX-License-Identifier: GPL-3.0-or-later
"""An Ethernet segment of network namespaces: a wake server, clients, and hosts whose NIC goes deaf when they sleep."""

from __future__ import annotations

import ctypes
import http.client
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from powernap.shared import signing
from powernap.shared.wakeapi import Admin, host_path

T = TypeVar("T")
_libc = ctypes.CDLL(None, use_errno=True)
_numbers = itertools.count(1)
_DEAF = """table netdev deaf {
  chain in { type filter hook ingress device eth0 priority -500; policy drop; }
  chain out { type filter hook egress device eth0 priority -500; policy drop; }
}
"""


def run(*command: str, check: bool = True, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, check=check, text=True, capture_output=True, timeout=20, **options)


def wait_for(what: Callable[[], T], seconds: float = 5.0, step: float = 0.01) -> T:
    """The first true result. Fails after the time is up."""
    end = time.monotonic() + seconds
    while True:
        found = what()
        if found:
            return found
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(step)


class Node:
    """One namespace with eth0."""

    def __init__(self, lan: Lan, name: str, number: int) -> None:
        self.lan, self.name, self.number = lan, name, number
        self.namespace = f"{lan.prefix}{name}"
        self.ipv4, self.ipv6 = f"198.18.0.{number}", f"fd4c::{number:x}"
        self.mac = f"02:4c:00:00:00:{number:02x}"
        run("ip", "netns", "add", self.namespace)
        # No duplicate-address detection of its own: addresses are usable at once.
        run("ip", "netns", "exec", self.namespace, "sh", "-c", "echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad")
        batch = f"""link add eth0 address {self.mac} type veth peer name {name} netns {lan.switch}
            addr add {self.ipv4}/16 dev eth0
            addr add {self.ipv6}/64 dev eth0 nodad
            link set lo up
            link set eth0 up"""
        run("ip", "-n", self.namespace, "-batch", "-", input=batch)
        run("ip", "-n", lan.switch, "-batch", "-", input=f"link set {name} master br0\nlink set {name} up\n")

    def inside(self, act: Callable[[], T]) -> T:
        """Run it in a thread that is in this namespace; sockets made there stay there."""
        result: list[T] = []
        error: list[BaseException] = []

        def body() -> None:
            with Path("/run/netns", self.namespace).open() as handle:
                assert _libc.setns(handle.fileno(), 0x40000000) == 0
            try:
                result.append(act())
            except BaseException as caught:  # noqa: BLE001  handed to the caller
                error.append(caught)

        thread = threading.Thread(target=body, daemon=True)
        thread.start()
        thread.join(60)
        if error:
            raise error[0]
        assert result, "did not end within 60 s"
        return result[0]

    def run(self, *command: str, check: bool = True, **options: Any) -> subprocess.CompletedProcess[str]:
        return run("ip", "netns", "exec", self.namespace, *command, check=check, **options)

    def raw(self) -> socket.socket:
        """A raw socket that hears everything on eth0, before nftables does, and sends."""

        def act() -> socket.socket:
            opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
            opened.bind(("eth0", 3))
            opened.settimeout(5)
            return opened

        return self.inside(act)

    def connect(self, address: str, port: int, seconds: float = 10.0) -> tuple[socket.socket, float]:
        """A real connect(); with the time at which it succeeded."""

        def act() -> tuple[socket.socket, float]:
            connection = socket.create_connection((address, port), timeout=seconds)
            return connection, time.monotonic()

        return self.inside(act)

    def neighbour(self, address: str) -> str:
        """The MAC that this host's kernel has for an address; "" where it has none."""
        family = "-6" if ":" in address else "-4"
        out = run("ip", "-n", self.namespace, family, "-j", "neigh", "show", address, "dev", "eth0").stdout
        entries = json.loads(out or "[]")
        return str(entries[0].get("lladdr", "")) if entries else ""

    def knows(self, address: str) -> None:
        """Have a neighbour entry for it."""
        self.run("ping", "-c1", "-W1", "-n", address)


class Sleeper(Node):
    """A host that can sleep: nftables makes its NIC deaf and mute, and a magic packet undoes that."""

    def __init__(self, lan: Lan, name: str, number: int) -> None:
        super().__init__(lan, name, number)
        self.key = ""
        self.sequence = time.time_ns()
        self.resume_delay = 0.0
        self.lose = 0
        self.says_hello = True
        self.asleep = False
        self.magic_at: list[float] = []
        self.ready_at = 0.0
        self._watch: threading.Thread | None = None

    def listen(self, port: int, address: str = "::") -> socket.socket:
        def act() -> socket.socket:
            return socket.create_server((address, port), family=socket.AF_INET6, dualstack_ipv6=True)

        return self.inside(act)

    def sleep(self) -> None:
        nic = self.raw()
        self.magic_at = []
        self.run("nft", "-f", "-", input=_DEAF)
        self.asleep = True
        self._watch = threading.Thread(target=self._hear, args=(nic,), daemon=True)
        self._watch.start()

    def _hear(self, nic: socket.socket) -> None:
        own = bytes.fromhex(self.mac.replace(":", ""))
        magic = b"\xff" * 6 + own * 16
        nic.settimeout(0.1)
        while self.asleep:
            try:
                frame, where = nic.recvfrom(2048)
            except TimeoutError:
                continue
            if where[2] == socket.PACKET_OUTGOING or magic not in frame or not (frame[0] & 1 or frame[:6] == own):
                continue
            self.magic_at.append(time.monotonic())
            if len(self.magic_at) > self.lose:
                time.sleep(self.resume_delay)
                self.wake()
        nic.close()

    def wake(self) -> None:
        """Ready again: hears and sends, and then says so."""
        if not self.asleep:
            return
        self.asleep = False
        self.run("nft", "delete", "table", "netdev", "deaf")
        self.ready_at = time.monotonic()
        if self.says_hello:
            self.say("awake", {"cause": "resume", "slept_seconds": 1.0})

    def end(self) -> None:
        self.asleep = False
        if self._watch is not None:
            self._watch.join(5)

    def say(self, what: str, body: dict[str, Any] | bytes, **overrides: Any) -> tuple[int, dict[str, Any]]:
        """A signed request to the wake server; (status, content), the answer's signature checked."""
        name, key = overrides.get("name", self.name), overrides.get("key", self.key)
        sequence = overrides.get("sequence", self.sequence + 1)
        self.sequence = max(self.sequence, sequence)
        path = f"{host_path(name)}/{what}"
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {
            signing.SEQUENCE_HEADER: str(sequence),
            signing.SIGNATURE_HEADER: signing.sign(key, "POST", path, name, sequence, data),
        }

        def act() -> tuple[int, dict[str, Any]]:
            connection = http.client.HTTPConnection(self.lan.server.ipv4, 20709, timeout=10)
            try:
                connection.request("POST", path, data, headers)
                answer = connection.getresponse()
                text = answer.read()
            finally:
                connection.close()
            if answer.status != 401 and answer.status != 400:
                right = signing.sign_answer(key, sequence, answer.status, text)
                assert signing.same(right, answer.headers.get(signing.SIGNATURE_HEADER, ""))
            return answer.status, json.loads(text)

        return self.inside(act)

    def link_local(self) -> str:
        out = run("ip", "-n", self.namespace, "-6", "-j", "addr", "show", "dev", "eth0", "scope", "link").stdout
        found = [entry for link in json.loads(out) for entry in link.get("addr_info", []) if "local" in entry]
        return str(found[0]["local"])

    def registration(self, tcp: str = "80", udp: str = "", **changes: Any) -> dict[str, Any]:
        card = {
            "name": "eth0",
            "mac": self.mac,
            "addresses": [f"{self.ipv4}/16", f"{self.ipv6}/64", f"{self.link_local()}/64"],
        }
        return {
            "action": "suspend",
            "interfaces": [card],
            "tcp_ports": tcp,
            "udp_ports": udp,
            "lease_seconds": 86400,
            "password": None,
            **changes,
        }

    def nap(self, tcp: str = "80", udp: str = "", **changes: Any) -> None:
        """Register, sleep, and wait until the server stands in."""
        status, content = self.say("asleep", self.registration(tcp, udp, **changes))
        assert status == 200, content
        self.sleep()
        self.lan.wait_for_state(self.name, "proxied")


class Server(Node):
    """The wake server: powerwaked as a process with CAP_NET_RAW and no other capability."""

    def __init__(self, lan: Lan, name: str, number: int, directory: Path) -> None:
        super().__init__(lan, name, number)
        self.directory = directory
        self.settings: dict[str, str] = {"probe_seconds": "0.08"}
        self.process: subprocess.Popen[bytes] | None = None
        self.log = directory / "log"
        self.admin = Admin(str(directory / "admin.sock"), timeout=10)

    def configure(self) -> Path:
        wake = "\n".join(f"{key} = {value}" for key, value in self.settings.items())
        path = self.directory / "powerwaked.toml"
        path.write_text(
            f'[listen]\nadmin_socket = "{self.directory}/admin.sock"\n'
            f'[registry]\npath = "{self.directory}/registry.sqlite"\n[wake]\n{wake}\n'
        )
        return path

    def command(self, config: Path) -> list[str]:
        setpriv = ["setpriv", "--inh-caps=-all,+net_raw", "--bounding-set=-all,+net_raw"]
        return [*setpriv, sys.executable, "-m", "powernap", "powerwaked", "--config", str(config)]

    def start(self) -> None:
        command = self.command(self.configure())
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(["ip", "netns", "exec", self.namespace, *command], stderr=log, stdout=log)
        wait_for(self._is_up, 30)

    def _is_up(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text()
        if not Path(self.admin.path).exists():
            return False
        try:
            return bool(self.admin.get("/v1/status"))
        except Exception:  # noqa: BLE001  a stale socket
            return False

    def stop(self, number: int = signal.SIGTERM) -> None:
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(10)
            self.process = None


class Lan:
    def __init__(self, directory: Path) -> None:
        self.prefix = f"pn{os.getpid()}x{next(_numbers)}"
        self.switch = f"{self.prefix}switch"
        self.nodes: list[Node] = []
        run("ip", "netns", "add", self.switch)
        bridge = "link add br0 type bridge forward_delay 0 mcast_snooping 0\nlink set br0 up\n"
        run("ip", "-n", self.switch, "-batch", "-", input=bridge)
        self.server = Server(self, "wake1", 1, directory)
        self.nodes.append(self.server)

    def client(self, name: str = "desk", number: int = 9) -> Node:
        node = Node(self, name, number)
        self.nodes.append(node)
        return node

    def sleeper(self, name: str = "web1", number: int = 3, **facts: Any) -> Sleeper:
        node = Sleeper(self, name, number)
        self.nodes.append(node)
        content = self.server.admin.put(host_path(name), {"macs": [node.mac], "addresses": [node.ipv4], **facts})
        node.key = content["key"]
        return node

    def state(self, name: str) -> str:
        return str(self.server.admin.get(host_path(name))["state"])

    def wait_for_state(self, name: str, state: str, seconds: float = 6.0) -> None:
        wait_for(lambda: self.state(name) == state, seconds)

    def events(self, name: str, event: str) -> list[dict[str, Any]]:
        found = self.server.admin.get("/v1/events")["events"]
        return [each for each in found if (each["host"], each["event"]) == (name, event)]

    def close(self) -> None:
        for node in self.nodes:
            if isinstance(node, Sleeper):
                node.end()
        self.server.stop(signal.SIGKILL)
        for node in self.nodes:
            run("ip", "netns", "del", node.namespace, check=False)
        run("ip", "netns", "del", self.switch, check=False)


def missing() -> str:
    """Why this machine cannot run these tests; "" where it can."""
    if os.geteuid():
        return "needs root"
    absent = [tool for tool in ("ip", "nft", "setpriv", "ping") if shutil.which(tool) is None]
    if absent:
        return f"needs {', '.join(absent)}: apt-get install iproute2 nftables util-linux iputils-ping"
    name = f"pn{os.getpid()}probe"
    if run("ip", "netns", "add", name, check=False).returncode:
        return "may not make network namespaces"
    run("ip", "netns", "del", name, check=False)
    return ""
