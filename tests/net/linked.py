# SPDX-License-Identifier: GPL-3.0-or-later
"""A host with an open link to its wake server, that obeys orders: a WebSocket by hand (RFC 6455), over TLS."""

from __future__ import annotations

import base64
import contextlib
import os
import queue
import socket
import ssl
import struct
import threading
import time
from typing import TYPE_CHECKING, Any

from tests.net.node import addresses, wait_for
from tests.net.sleeper import Sleeper

from powernap.shared.envelope import TO_CLIENT, TO_SERVER, Message, read, seal
from powernap.shared.wakeapi import host_path

if TYPE_CHECKING:
    from tests.net.lan import Lan

_SECONDS = 20.0
_TEXT = 1


class Linked(Sleeper):
    """`obeys`: naps when ordered to; else it says that it will, and stays awake. `orders`: what it was ordered."""

    def __init__(self, lan: Lan, name: str, number: int) -> None:
        super().__init__(lan, name, number)
        self.obeys = True
        self.orders: list[dict[str, Any]] = []
        self._socket: ssl.SSLSocket | None = None
        self._listener: threading.Thread | None = None
        self._answers: dict[int, queue.Queue[Message]] = {}
        self._sending = threading.Lock()

    def opens_link(self, state: str = "awake", cause: str = "boot") -> None:
        """Open the link and say hello; one that was open is no more."""
        self.loses_link()
        self._socket = self.inside(self._open)
        self._listener = threading.Thread(target=self._listen, args=(self._socket,), daemon=True)
        self._listener.start()
        nonce = os.urandom(16).hex()
        hello = {"nonce": nonce, "state": state, "cause": cause, "slept_seconds": 0, "profile": "server"}
        assert self.tell("hello", hello).kind == "welcome"

    def loses_link(self) -> None:
        """Without a word."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
            if self._listener is not None:
                # Closed under OpenSSL, its last words would go by whoever has the number of the file next.
                self._listener.join(_SECONDS)
            self._socket.close()
            self._socket = None

    def tell(self, kind: str, body: dict[str, Any]) -> Message:
        """A message by the link, and its answer."""
        self.sequence += 1
        number = self.sequence
        answers = self._answers[number] = queue.Queue()
        self._send(seal(self.key, TO_SERVER, Message(self.name, kind, number, body)))
        return answers.get(timeout=_SECONDS)

    def end(self) -> None:
        super().end()
        self.loses_link()

    def _says_hello(self) -> None:
        for _attempt in range(20):
            with contextlib.suppress(OSError, AssertionError):
                self.opens_link(cause="resume")
                return
            time.sleep(0.3)

    def _open(self) -> ssl.SSLSocket:
        trust = ssl.create_default_context(cafile=str(self.lan.server.directory / "tls" / "ca.pem"))
        trust.check_hostname = False
        plain = socket.create_connection((addresses(1)[0], 20709), timeout=_SECONDS)
        wire = trust.wrap_socket(plain)
        key = base64.b64encode(os.urandom(16)).decode()
        wire.sendall(
            "GET /api/v1/link HTTP/1.1\r\nHost: wake1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += wire.recv(1)
        assert head.startswith(b"HTTP/1.1 101 "), head
        wire.settimeout(None)
        return wire

    def _send(self, text: str) -> None:
        data = text.encode()
        size = bytes([0x80 | len(data)]) if len(data) < 126 else bytes([0x80 | 126]) + struct.pack("!H", len(data))
        assert self._socket is not None
        with self._sending:
            self._socket.sendall(bytes([0x80 | _TEXT]) + size + b"\0\0\0\0" + data)  # a mask that changes nothing

    def _listen(self, wire: ssl.SSLSocket) -> None:
        with contextlib.suppress(OSError, ValueError, struct.error):
            while True:
                first, size = _exactly(wire, 2)
                if size == 126:
                    size = struct.unpack("!H", _exactly(wire, 2))[0]
                data = _exactly(wire, size)
                if first & 15 != _TEXT:
                    return
                message = read(data).opened(self.key, TO_CLIENT)
                if message.kind == "order":
                    threading.Thread(target=self._obey, args=(dict(message.body),), daemon=True).start()
                elif message.re in self._answers:
                    self._answers.pop(message.re).put(message)

    def _obey(self, order: dict[str, Any]) -> None:
        self.orders.append(order)
        naps = order["verb"] in ("nap", "canary")
        if not naps or not self.obeys:
            said = "is done" if not naps else "naps now"
            self.tell("done", {"order": order["id"], "ok": True, "said": said, "result": {"verb": order["verb"]}})
            return
        answer = self.tell("asleep", self.registration())
        ok = bool(answer.body["ok"])
        said = "naps now" if ok else str(answer.body["error"])
        self.tell("done", {"order": order["id"], "ok": ok, "said": said, "result": {}})
        if ok:
            self.sleep()


def _exactly(wire: ssl.SSLSocket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = wire.recv(size - len(data))
        if not more:
            raise OSError("the other side has closed")
        data += more
    return data


def linked(lan: Lan, name: str, number: int, **facts: Any) -> Linked:
    """A registered host whose link is open."""
    node = Linked(lan, name, number)
    lan.nodes.append(node)
    node.key = lan.server.admin.put(host_path(name), {"macs": [node.mac], "addresses": [node.ipv4], **facts})["key"]
    node.opens_link()
    return node


def status(lan: Lan, name: str) -> dict[str, Any]:
    """What the host is."""
    return dict(lan.server.admin.get(host_path(name))["status"])


def wait_for_status(lan: Lan, name: str, state: str, seconds: float = 30.0) -> dict[str, Any]:
    wait_for(lambda: status(lan, name)["state"] == state, seconds)
    return status(lan, name)


def order(lan: Lan, verb: str, seconds: float = 90.0, **said: Any) -> dict[str, Any]:
    """Give an order, and wait until it is through."""
    given = lan.server.admin.post("/api/v1/orders", {"verb": verb, **said})
    path = f"/api/v1/orders/{given['id']}"

    def ended() -> dict[str, Any] | None:
        found = lan.server.admin.get(path)
        return None if found["ended"] is None else dict(found)

    return given if given["ended"] is not None else wait_for(ended, seconds, 0.05)


def outcomes(done: dict[str, Any]) -> dict[str, str]:
    return {name: result["outcome"] for name, result in done["results"].items()}
