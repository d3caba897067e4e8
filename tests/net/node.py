# SPDX-License-Identifier: GPL-3.0-or-later
"""One machine of a segment: a network namespace with a real kernel's TCP/IP."""

from __future__ import annotations

import contextlib
import ctypes
import ipaddress
import json
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from powernap.net import arp, ndp
from powernap.net.frames import parse
from powernap.shared.mac import format_mac, mac_bytes

if TYPE_CHECKING:
    from tests.net.lan import Lan

T = TypeVar("T")
_libc = ctypes.CDLL(None, use_errno=True)


def run(*command: str, check: bool = True, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, check=check, text=True, capture_output=True, timeout=20, **options)


def wait_for(what: Callable[[], T], seconds: float = 30.0, step: float = 0.01) -> T:
    """The first true result. Fails after the time is up. The longer it waits, the more seldom it asks."""
    began = time.monotonic()
    while True:
        found = what()
        if found:
            return found
        waited = time.monotonic() - began
        assert waited < seconds, f"not within {seconds} s: {what}"
        time.sleep(max(step, min(waited / 20, 0.2)))


def addresses(number: int, segment: int = 0) -> tuple[str, str]:
    """The IPv4 (/16) and IPv6 (/64) address of a machine on a segment."""
    return f"198.{18 + segment}.0.{number}", f"fd4c:0:0:{segment:x}::{number:x}" if segment else f"fd4c::{number:x}"


class Node:
    """One namespace with eth0 on a segment; further cards may follow."""

    def __init__(self, lan: Lan, name: str, number: int, segment: int = 0) -> None:
        self.lan, self.name, self.number = lan, name, number
        self.namespace = f"{lan.prefix}{name}"
        self.ipv4, self.ipv6 = addresses(number, segment)
        self.mac = f"02:4c:00:00:{segment:02x}:{number:02x}"
        run("ip", "netns", "add", self.namespace)
        # No duplicate-address detection of its own: addresses are usable at once.
        run("ip", "netns", "exec", self.namespace, "sh", "-c", "echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad")
        run("ip", "-n", self.namespace, "link", "set", "lo", "up")
        self.cards: list[str] = []
        self.add_card("eth0", segment)

    def add_card(self, card: str, segment: int, mac: str = "") -> None:
        """Plug it into a segment."""
        self.cards.append(card)
        ipv4, ipv6 = addresses(self.number, segment)
        port = self.name if card == "eth0" else f"{self.name}-{card}"
        mac = mac or f"02:4c:00:00:{segment:02x}:{self.number:02x}"
        batch = f"""link add {card} address {mac} type veth peer name {port} netns {self.lan.switch}
            addr add {ipv4}/16 dev {card}
            addr add {ipv6}/64 dev {card} nodad
            link set {card} up"""
        run("ip", "-n", self.namespace, "-batch", "-", input=batch)
        plug = f"link set {port} master br{segment}\nlink set {port} up\n"
        run("ip", "-n", self.lan.switch, "-batch", "-", input=plug)

    def routes_by(self, router: Node, segment: int) -> None:
        """Reach another segment through a router on this one."""
        ipv4, ipv6 = addresses(0, segment)
        self.run("ip", "route", "replace", f"{ipv4}/16", "via", router.ipv4)
        self.run("ip", "-6", "route", "replace", f"{ipv6}/64", "via", router.ipv6)

    def inside(self, act: Callable[[], T], seconds: float = 60.0) -> T:
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
        thread.join(seconds)
        if error:
            raise error[0]
        assert result, f"did not end within {seconds:g} s"
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

    def start(self, *command: str, **options: Any) -> subprocess.Popen[str]:
        return subprocess.Popen(["ip", "netns", "exec", self.namespace, *command], text=True, **options)

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
        """Have a neighbour entry for it. A card that was just plugged in may lose the first question: the kernel asks
        three times, once each second.
        """
        self.run("ping", "-c1", "-w5", "-n", address)

    def owners(self, address: str, seconds: float = 0.25) -> set[str]:
        """The MACs of all that answer when everybody is asked for the address, heard until so long after the first
        answer. On a busy machine that one may take four times as long.
        """
        ip, mine = ipaddress.ip_address(address).packed, mac_bytes(self.mac)
        if len(ip) == 16:
            question = ndp.solicitation(mine, ipaddress.ip_address(self.ipv6).packed, ip)
        else:
            question = arp.request(mine, ipaddress.ip_address(self.ipv4).packed, ip)
        found: set[str] = set()
        with self.raw() as wire:
            wire.send(question)
            end = time.monotonic() + 4 * seconds
            while (left := end - time.monotonic()) > 0:
                wire.settimeout(left)
                with contextlib.suppress(TimeoutError):
                    frame, where = wire.recvfrom(2048)
                    said = parse(frame) if where[2] != socket.PACKET_OUTGOING else None
                    if isinstance(said, arp.Arp) and said.operation == arp.REPLY and said.spa == ip:
                        owner = format_mac(said.sha)
                    elif isinstance(said, ndp.Advertisement) and said.target == ip:
                        owner = format_mac(said.link_address or said.eth_source)
                    else:
                        continue
                    end = end if found else time.monotonic() + seconds
                    found.add(owner)
        return found
