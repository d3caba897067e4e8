# SPDX-License-Identifier: GPL-3.0-or-later
"""Many sleeping hosts without a kernel each: registered as real ones are, and silent."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
from typing import NamedTuple

from tests.net.lan import Lan, wait_for

from powernap.net.checksum import TCP, checksum, pseudo_header
from powernap.shared.envelope import TO_CLIENT, TO_SERVER, Message, read, seal
from powernap.shared.mac import format_mac, mac_bytes
from powernap.shared.wakeapi import host_path


class Member(NamedTuple):
    name: str
    mac: str
    ipv4: str
    key: str


class Crowd:
    """`woken`: the MACs of those for whom a magic packet has been heard."""

    def __init__(self, lan: Lan, size: int, tcp: str = "80") -> None:
        self.lan, self.tcp = lan, tcp
        self.node = lan.client("crowd", 250)
        self.members = [self._enrol(number) for number in range(size)]
        self.woken: set[str] = set()
        self._ears = self.node.raw()
        threading.Thread(target=self._hear, daemon=True).start()
        self.node.inside(self._register)
        wait_for(lambda: lan.server.admin.get("/api/v1/status")["wake_states"]["proxied"] >= size, 20, 0.1)

    def _enrol(self, number: int) -> Member:
        mac, ipv4 = f"02:4c:00:01:{number >> 8:02x}:{number & 255:02x}", f"198.18.{64 + (number >> 8)}.{number & 255}"
        name = f"crowd{number}"
        content = self.lan.server.admin.put(host_path(name), {"macs": [mac], "addresses": [ipv4]})
        return Member(name, mac, ipv4, content["key"])

    def _register(self) -> bool:
        trust = ssl.create_default_context(cafile=str(self.lan.server.ca))
        trust.check_hostname = False
        connection = http.client.HTTPSConnection(self.lan.server.ipv4, 20709, timeout=10, context=trust)
        for member in self.members:
            card = {"name": "eth0", "mac": member.mac, "addresses": [f"{member.ipv4}/16"]}
            body = {"action": "suspend", "interfaces": [card], "tcp_ports": self.tcp, "udp_ports": ""}
            message = Message(member.name, "asleep", time.time_ns(), body | {"lease_seconds": 86400, "password": None})
            connection.request("POST", "/api/v1/messages", seal(member.key, TO_SERVER, message))
            answer = connection.getresponse().read()
            assert read(answer.strip()).opened(member.key, TO_CLIENT).body == {"ok": True}, answer
        connection.close()
        return True

    def _hear(self) -> None:
        self._ears.settimeout(60)
        while True:
            try:
                frame = self._ears.recv(2048)
            except OSError:
                return
            at = frame.find(b"\xff" * 6, 12)
            if frame[12:14] in (b"\x08\x42", b"\x08\x00") and at > 0 and frame[at + 6 : at + 12] * 16 in frame:
                self.woken.add(format_mac(frame[at + 6 : at + 12]))

    def syn(self, member: Member, source: tuple[str, str], from_port: int, port: int = 80, sequence: int = 0) -> bytes:
        """A SYN to a member by way of the wake server, from (MAC, IPv4 address)."""
        mac, ipv4 = source
        return syn(self.lan.server.mac, mac, ipv4, member.ipv4, from_port, port, sequence)


def syn(to: str, mac: str, source: str, destination: str, from_port: int, port: int = 80, sequence: int = 0) -> bytes:
    """A whole frame, its checksums right. scapy would take a millisecond for each."""
    here, there = socket.inet_aton(source), socket.inet_aton(destination)
    tcp = from_port.to_bytes(2, "big") + port.to_bytes(2, "big") + sequence.to_bytes(4, "big") + bytes(4)
    tcp += b"\x50\x02\xff\xff\0\0\0\0"
    tcp = tcp[:16] + checksum(pseudo_header(here, there, TCP, 20) + tcp).to_bytes(2, "big") + tcp[18:]
    ip = b"\x45\0\0\x28\0\0\x40\0\x40\x06\0\0" + here + there
    ip = ip[:10] + checksum(ip).to_bytes(2, "big") + ip[12:]
    return mac_bytes(to) + mac_bytes(mac) + b"\x08\0" + ip + tcp
