# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine that asks a wake server to be known, and says hello by its key: what it shows of itself is made up."""

from __future__ import annotations

import http.client
import itertools
import json
import os
import secrets
import socket
import ssl
import struct
import time
from dataclasses import dataclass, field, replace
from typing import Any

from tests.net.node import Node

from powernap.shared.envelope import TO_SERVER, Message, seal

_PORT = 20709
_numbers = itertools.count(1)


@dataclass
class Asker:
    """``node``: from where it asks; ``server``: the wake server's address."""

    node: Node
    server: str
    name: str
    key: str = field(default_factory=lambda: secrets.token_hex(32))
    machine: str = field(default_factory=lambda: secrets.token_hex(32))
    board: str = field(default_factory=lambda: secrets.token_hex(32))
    boot: str = field(default_factory=lambda: secrets.token_hex(16))
    mac: str = field(default_factory=lambda: f"02:4c:aa:00:00:{next(_numbers):02x}")
    hostname: str = ""
    token: str = ""

    def but(self, **other: Any) -> Asker:
        """The same machine, but for that."""
        return replace(self, **other)

    def shown(self) -> dict[str, Any]:
        cards = [{"name": "eth0", "mac": self.mac, "addresses": [f"{self.node.ipv4}/16"]}]
        identity = {"machine": self.machine, "board": self.board}
        hostname = self.hostname or self.name
        return {"identity": identity, "cards": cards, "hostname": hostname, "boot_id": self.boot, "version": "0"}

    def ask(self, **more: Any) -> tuple[int, dict[str, Any]]:
        """The status and the answer of one question."""
        body = {"name": self.name, "key": self.key, **self.shown(), "token": self.token or None, **more}
        return self.post("/api/v1/enrol", json.dumps(body).encode())

    def hello(self, host: str = "") -> dict[str, Any]:
        """What it hears to a hello by POST: the body of the answer."""
        status, text = self._exchange("/api/v1/messages", self.sealed_hello(host).encode())
        if status != 200:
            return {"status": status}
        return dict(json.loads(text.split(b"\n")[0].partition(b" ")[2])["body"])

    def link(self) -> Link:
        """Say hello by a WebSocket that stays open."""
        return self.node.inside(lambda: Link(self))

    def sealed_hello(self, host: str = "") -> str:
        body = {"nonce": secrets.token_hex(16), "state": "awake", "cause": "boot", **self.shown()}
        return seal(self.key, TO_SERVER, Message(host or self.name, "hello", time.time_ns(), body))

    def post(self, path: str, body: bytes) -> tuple[int, dict[str, Any]]:
        status, text = self._exchange(path, body)
        return status, json.loads(text)

    def _exchange(self, path: str, body: bytes) -> tuple[int, bytes]:
        def act() -> tuple[int, bytes]:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            connection = http.client.HTTPSConnection(self.server, _PORT, timeout=20, context=context)
            try:
                connection.request("POST", path, body, {"Content-Type": "application/json"})
                answer = connection.getresponse()
                return answer.status, answer.read()
            finally:
                connection.close()

        return self.node.inside(act)


class Link:
    """A WebSocket (RFC 6455). ``answer``: the body of what hello was answered."""

    def __init__(self, asker: Asker) -> None:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self._socket = context.wrap_socket(socket.create_connection((asker.server, _PORT), timeout=20))
        request = f"GET /api/v1/link HTTP/1.1\r\nHost: {asker.server}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        request += "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        self._socket.sendall(request.encode())
        self._stream = self._socket.makefile("rb")
        assert b" 101 " in self._stream.readline()
        while self._stream.readline().strip():
            pass
        self._send(asker.sealed_hello().encode())
        self.answer = dict(json.loads(self._read().partition(b" ")[2])["body"])

    def _send(self, text: bytes) -> None:
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[number % 4] for number, byte in enumerate(text))
        self._socket.sendall(struct.pack(">BBH", 0x81, 0x80 | 126, len(text)) + mask + masked)

    def _read(self) -> bytes:
        while True:
            first, length = self._stream.read(2)
            if length == 126:
                (length,) = struct.unpack(">H", self._stream.read(2))
            text = self._stream.read(length)
            if first & 0x0F == 1:
                return text
            assert first & 0x0F != 8, "closed"

    def is_open(self) -> bool:
        """Whether nothing has ended it."""
        self._socket.settimeout(0.5)
        try:
            return bool(self._stream.read(1))
        except TimeoutError:
            return True
        except OSError:
            return False

    def close(self) -> None:
        self._socket.close()
