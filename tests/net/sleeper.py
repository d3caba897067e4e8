# SPDX-License-Identifier: GPL-3.0-or-later
"""A host that sleeps and is woken: its NIC goes deaf, and hears magic packets only."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import http.client
import ipaddress
import json
import os
import random
import socket
import ssl
import threading
import time
from typing import TYPE_CHECKING, Any

from tests.net.node import Node, addresses, run

from powernap.net import arp, ndp
from powernap.shared.envelope import TO_CLIENT, TO_SERVER, Message, read, seal
from powernap.shared.mac import mac_bytes

if TYPE_CHECKING:
    from tests.net.lan import Lan

_DEAF = """table netdev deaf {{
  chain in {{ type filter hook ingress devices = {{ {cards} }} priority -500; policy drop; }}
  chain out {{ type filter hook egress devices = {{ {cards} }} priority -500; policy drop; }}
}}
"""

#: What the wake server believes, but does not grant.
REFUSED = 409
#: States of a neighbour entry by which nothing is sent.
UNUSABLE = {"FAILED", "INCOMPLETE"}


class Sleeper(Node):
    """A host that can sleep: nftables makes its NIC deaf and mute, and a magic packet undoes that."""

    def __init__(self, lan: Lan, name: str, number: int, segment: int = 0) -> None:
        super().__init__(lan, name, number, segment)
        self._wake_server = addresses(lan.server.number, segment)[0]
        self.key = ""
        self.sequence = time.time_ns()
        self.resume_delay = 0.0
        self.link = ""
        self.lose = 0
        self.lose_share = 0.0
        self._dice = random.Random(number)
        self.says_hello = True
        self.welcome: dict[str, Any] = {}
        self.asleep = False
        self.magic_at: list[float] = []
        self.ready_at = 0.0
        self._watch: threading.Thread | None = None

    def listen(self, port: int, address: str = "::") -> socket.socket:
        def act() -> socket.socket:
            return socket.create_server((address, port), family=socket.AF_INET6, dualstack_ipv6=True)

        return self.inside(act)

    def serve(self, port: int, text: bytes = b"up\n") -> None:
        """A service that greets whoever connects, until the listener's thread ends with the tests."""
        listener = self.listen(port)

        def body() -> None:
            while True:
                peer, _ = listener.accept()
                with peer, contextlib.suppress(OSError):
                    peer.sendall(text)
                    peer.shutdown(socket.SHUT_WR)
                    peer.settimeout(5)
                    peer.recv(1000)

        threading.Thread(target=body, daemon=True).start()

    def sleep(self) -> None:
        nic = self.raw()
        self.magic_at = []
        self.ready_at = 0.0
        self.run("nft", "-f", "-", input=_DEAF.format(cards=", ".join(f'"{card}"' for card in self.cards)))
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
            if self._dice.random() < self.lose_share:
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
        self.ready_at = time.monotonic()  # from within the next command on, which takes some milliseconds
        self.run("nft", "delete", "table", "netdev", "deaf")
        if self.says_hello:
            self._says_hello()

    def _says_hello(self) -> None:
        """As powernapd does: again, until the server is there."""
        for _attempt in range(20):
            with contextlib.suppress(OSError, http.client.HTTPException):
                self.welcome = self.hello()
                return
            time.sleep(0.3)

    def announces_itself(self) -> None:
        """As every host does when its link comes up, if arp_notify and ndisc_notify are set."""
        mac = mac_bytes(self.mac)
        ipv4, ipv6 = (ipaddress.ip_address(address).packed for address in (self.ipv4, self.ipv6))
        with self.raw() as wire:
            wire.send(arp.announcement(mac, mac, ipv4))
            wire.send(ndp.announcement(mac, ipv6, mac, ipv6))

    def settle(self) -> None:
        """Wait until it is awake and has said so."""
        if self._watch is not None:
            self._watch.join(20)
            assert not self._watch.is_alive(), "it still sleeps"

    def end(self) -> None:
        self.asleep = False
        if self._watch is not None:
            self._watch.join(5)

    def say(self, kind: str, body: dict[str, Any] | bytes, **overrides: Any) -> tuple[int, dict[str, Any]]:
        """A message to the wake server by POST, and what it answers, its signature checked.

        (200, body) for a welcome or an acknowledgement, (REFUSED, body) where it is not acknowledged; (HTTP status,
        body) where it was not believed.
        """
        name, key = overrides.get("name", self.name), overrides.get("key", self.key)
        sequence = overrides.get("sequence", self.sequence + 1)
        self.sequence = max(self.sequence, sequence)
        if isinstance(body, bytes):  # which no JSON may be
            text = _sealed(key, b'{"host":"%b","kind":"%b","seq":%d,"body":%b}', name, kind, sequence, body)
        else:
            text = seal(key, TO_SERVER, Message(name, kind, sequence, body)).encode()
        trust = self.trust()

        def act() -> tuple[int, dict[str, Any]]:
            connection = http.client.HTTPSConnection(self._wake_server, 20709, timeout=10, context=trust)
            try:
                connection.request("POST", "/api/v1/messages", text)
                answer = connection.getresponse()
                content = answer.read()
            finally:
                connection.close()
            if answer.status != 200:
                return answer.status, json.loads(content)
            said = read(content.strip()).opened(key, TO_CLIENT)
            assert said.re == sequence
            return 200 if said.kind == "welcome" or said.body["ok"] else REFUSED, dict(said.body)

        return self.inside(act)

    def trust(self) -> ssl.SSLContext:
        """Believes the wake server's own authority."""
        context = ssl.create_default_context(cafile=str(self.lan.server.ca))
        context.check_hostname = False
        return context

    def hello(self, cause: str = "resume") -> dict[str, Any]:
        """Returns the body of the welcome."""
        nonce = os.urandom(16).hex()
        slept = 1.0 if cause == "resume" else 0.0
        status, content = self.say("hello", {"nonce": nonce, "state": "awake", "cause": cause, "slept_seconds": slept})
        assert status == 200 and content["nonce"] == nonce, content
        return content

    def link_local(self) -> str:
        out = run("ip", "-n", self.namespace, "-6", "-j", "addr", "show", "dev", "eth0", "scope", "link").stdout
        found = [entry for link in json.loads(out) for entry in link.get("addr_info", []) if "local" in entry]
        self.link = str(found[0]["local"])
        return self.link

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


def _sealed(key: str, form: bytes, name: str, kind: str, sequence: int, body: bytes) -> bytes:
    signed = form % (name.encode(), kind.encode(), sequence, body)
    return hmac.new(bytes.fromhex(key), TO_SERVER + b"\n" + signed, hashlib.sha256).hexdigest().encode() + b" " + signed


def wrong_entries(nodes: list[Node], host: Sleeper) -> list[str]:
    """Who believes of an address of the host that it is elsewhere."""
    wrong = []
    for node in nodes:
        for entry in json.loads(run("ip", "-n", node.namespace, "-j", "neigh").stdout):
            usable = entry["dst"] in (host.ipv4, host.ipv6, host.link) and not UNUSABLE & set(entry["state"])
            if usable and entry.get("lladdr") != host.mac:
                wrong.append(f"{node.name}: {entry}")
    return wrong
