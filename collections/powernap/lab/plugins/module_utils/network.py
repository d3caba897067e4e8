# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's Ethernet: one bridge without spanning tree, a namespace for each host, and NICs that can go deaf."""

from __future__ import annotations

import pathlib
import socket
import subprocess

from . import kernel

CTL = "ctl"
"""The namespace of the one who steers: the end of the ssh connections, a person's tools."""
CTL_IPV4, CTL_IPV6, CTL_MAC = "198.18.255.1", "fd4c::ff01", "02:4c:00:00:ff:01"
_ETH_P_ALL = 3
_SWITCH_MAC = "02:4c:00:00:ff:fe"
# A frozen host's kernel would still answer ARP and ping. Packet sockets hear a frame before these chains drop it.
# nft wants each closing brace on its own line.
_DEAF = """table netdev powernap_lab_deaf {
  chain in {
    type filter hook ingress device eth0 priority -500; policy drop;
  }
  chain out {
    type filter hook egress device eth0 priority -500; policy drop;
  }
}
"""


def build(folder: pathlib.Path, specs) -> None:
    """Make the switch in this process's network namespace, and one namespace for each host as a file in folder."""
    folder.mkdir()
    _ip(
        "link set lo up",
        f"link add br0 address {_SWITCH_MAC} type bridge stp_state 0 mcast_snooping 0",
        "link set br0 up",
    )
    _plug(folder / CTL, "pctl", CTL_MAC, CTL_IPV4, CTL_IPV6)
    for spec in specs:
        _plug(folder / spec.name, f"p{spec.number}", spec.mac, spec.ipv4, spec.ipv6)


def _plug(path: pathlib.Path, port: str, mac: str, ipv4: str, ipv6: str) -> None:
    path.touch()
    with kernel.in_netns("/proc/self/ns/net"):
        kernel.unshare(kernel.NEWNET)
        kernel.bind("/proc/self/ns/net", path)
        accept_dad = pathlib.Path("/proc/sys/net/ipv6/conf/default/accept_dad")
        has_ipv6 = accept_dad.exists()
        if has_ipv6:  # nobody else can have these addresses, and the wait for them would be in every measurement
            accept_dad.write_text("0")
    _ip(
        f"link add {port} type veth peer name eth0 address {mac} netns {path}",
        f"link set {port} master br0",
        f"link set {port} up",
    )
    with kernel.in_netns(path):
        _ip("link set lo up", "link set eth0 up", f"addr add {ipv4}/16 dev eth0")
        if has_ipv6:
            _ip(f"addr add {ipv6}/64 dev eth0 nodad")


def _ip(*lines: str) -> None:
    _run(["ip", "-batch", "-"], "\n".join(lines) + "\n")


def _run(command, text=None) -> None:
    done = subprocess.run(command, input=text, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        raise OSError("{}: {}".format(" ".join(command), done.stdout.strip()))


class Nic:
    """A host's network card, seen from the outside: it can go deaf, and then hears magic packets only."""

    def __init__(self, netns: pathlib.Path, mac: str):
        self.netns = netns
        self.own = bytes.fromhex(mac.replace(":", ""))
        self.magic = b"\xff" * 6 + self.own * 16
        self.ear = None

    def deafen(self) -> socket.socket:
        """Drop everything, and listen: returns the socket to wait on."""
        with kernel.in_netns(self.netns):
            self.ear = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.htons(_ETH_P_ALL))
            self.ear.bind(("eth0", _ETH_P_ALL))
            _run(["nft", "-f", "-"], _DEAF)
        return self.ear

    def undeafen(self) -> None:
        self.ear.close()
        self.ear = None
        with kernel.in_netns(self.netns):
            _run(["nft", "delete", "table", "netdev", "powernap_lab_deaf"])

    def heard_magic(self) -> int:
        """How many magic packets for this card have come in since the last call."""
        heard = 0
        try:
            while True:
                frame, address = self.ear.recvfrom(2048)
                to_us = frame[0] & 1 or frame[:6] == self.own
                if address[2] != socket.PACKET_OUTGOING and to_us and self.magic in frame:
                    heard += 1
        except BlockingIOError:
            return heard

    def forget_neighbours(self) -> None:
        """A machine that boots knows nobody; this namespace has outlived the last boot."""
        with kernel.in_netns(self.netns):
            _run(["ip", "neigh", "flush", "all"])
