# SPDX-License-Identifier: GPL-3.0-or-later
"""An Ethernet segment of network namespaces: a wake server, clients, and hosts whose NIC goes deaf when they sleep."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.net.node import Node, addresses, run, wait_for
from tests.net.server import Server
from tests.net.sleeper import Sleeper

from powernap.shared.wakeapi import host_path

__all__ = ["Lan", "Node", "Server", "Sleeper", "addresses", "missing", "on_each_path", "run", "wait_for"]

_numbers = itertools.count(1)
on_each_path = pytest.mark.parametrize("path", ["classic", "ebpf"], indirect=True)


class Lan:
    def __init__(self, directory: Path) -> None:
        self.prefix = f"pn{os.getpid()}x{next(_numbers)}"
        self.switch = f"{self.prefix}switch"
        self.nodes: list[Node] = []
        self.router: Node | None = None
        run("ip", "netns", "add", self.switch)
        self._segments = 0
        self._bridge(0)
        self.server = Server(self, "wake1", 1, directory)
        self.nodes.append(self.server)
        self._given = directory / "addresses"
        with self._given.open("w") as file:
            command = ["ip", "-n", self.server.namespace, "monitor", "address"]
            self._monitor = subprocess.Popen(command, stdout=file, stderr=subprocess.DEVNULL)

    def _bridge(self, segment: int) -> None:
        name = f"br{segment}"
        bridge = f"link add {name} type bridge forward_delay 0 mcast_snooping 0\nlink set {name} up\n"
        run("ip", "-n", self.switch, "-batch", "-", input=bridge)

    def add_segment(self) -> int:
        """One more segment, joined to the others by nothing yet. Returns its number."""
        self._segments += 1
        self._bridge(self._segments)
        return self._segments

    def client(self, name: str = "desk", number: int = 9) -> Node:
        node = Node(self, name, number)
        self.nodes.append(node)
        return node

    def routed_client(self, name: str = "away", number: int = 9) -> Node:
        """A client on a second segment, behind a router. Made before the sleepers, which need a way back."""
        if self.router is None:
            self.add_segment()
            self.router = Node(self, "router", 254)
            self.nodes.append(self.router)
            self.router.add_card("eth1", 1)
            script = "echo 1 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv6/conf/all/forwarding"
            self.router.run("sh", "-c", script)
        node = Node(self, name, number, segment=1)
        self.nodes.append(node)
        ipv4, ipv6 = addresses(254, 1)
        node.run("ip", "route", "add", "default", "via", ipv4)
        node.run("ip", "-6", "route", "add", "default", "via", ipv6)
        return node

    def lose(self, percent: float, *nodes: Node) -> None:
        """From now on the switch loses so much of what it has for each of these nodes, or for all."""
        for node in nodes or self.nodes:
            table = f"""table netdev loss-{node.name}
            delete table netdev loss-{node.name}
            table netdev loss-{node.name} {{
              chain out {{
                type filter hook egress device "{node.name}" priority 0;
                {"drop" if percent == 100 else f"numgen random mod 1000 < {round(percent * 10)} drop"}
              }}
            }}"""
            run("ip", "netns", "exec", self.switch, "nft", "-f", "-", input=table)

    def sleeper(self, name: str = "web1", number: int = 3, segment: int = 0, **facts: Any) -> Sleeper:
        node = Sleeper(self, name, number, segment)
        self.nodes.append(node)
        content = self.server.admin.put(host_path(name), {"macs": [node.mac], "addresses": [node.ipv4], **facts})
        node.key = content["key"]
        if self.router is not None:
            node.routes_by(self.router, 1)
        return node

    def state(self, name: str) -> str:
        return str(self.server.admin.get(host_path(name))["wake_state"])

    def wait_for_state(self, name: str, state: str, seconds: float = 30.0) -> None:
        wait_for(lambda: self.state(name) == state, seconds)

    def events(self, name: str, event: str) -> list[dict[str, Any]]:
        found = self.server.admin.get("/api/v1/events")["events"]
        return [each for each in found if (each["host"], each["event"]) == (name, event)]

    def borrowed(self) -> list[str]:
        """Addresses of sleepers that the server's kernel had for its own at any time; there must be none."""
        own = [line.split()[3].split("/")[0] for line in self._given.read_text().splitlines() if " inet" in line]
        sleepers = [node for node in self.nodes if isinstance(node, Sleeper)]
        return [address for node in sleepers for address in (node.ipv4, node.ipv6, node.link) if address in own]

    def close(self) -> None:
        self._monitor.kill()
        self._monitor.wait()
        for node in self.nodes:
            if isinstance(node, Sleeper):
                node.end()
        self.server.stop(signal.SIGKILL)
        self.server.unpin()
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
