# SPDX-License-Identifier: GPL-3.0-or-later
"""Somebody on the segment who means harm: bytes of his own making, by TCP, TLS, HTTP and WebSocket."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import struct
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import psutil
from tests.net.node import Node

if TYPE_CHECKING:
    from tests.net.lan import Lan

PORT = 20709
TEXT, BINARY, PING, CLOSE = 1, 2, 9, 8
_SECONDS = 20.0
_ANYBODY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
_ANYBODY.check_hostname, _ANYBODY.verify_mode = False, ssl.CERT_NONE
_UPGRADE = (
    b"GET /api/v1/link HTTP/1.1\r\nHost: wake1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


class Attacker(Node):
    """Has as many addresses as it wants: 198.18.200.0 and those that follow."""

    def __init__(self, lan: Lan, name: str = "evil", number: int = 66, sources: int = 0) -> None:
        super().__init__(lan, name, number)
        lan.nodes.append(self)
        self.sources = [f"198.18.{200 + each // 250}.{each % 250 + 1}" for each in range(sources)]
        batch = "".join(f"addr add {source}/16 dev eth0\n" for source in self.sources)
        self.run("ip", "-batch", "-", input=batch)

    def tcp(self, source: str = "") -> socket.socket:
        """A connection without a word, from one of its addresses."""

        def act() -> socket.socket:
            return _connected(self.lan.server.ipv4, source)

        return self.inside(act)

    def tls(self, source: str = "") -> ssl.SSLSocket:
        """TLS, and not a word more; who is at the other end is not looked at."""
        return _tls(self.tcp(source))

    def link(self, source: str = "") -> ssl.SSLSocket:
        """A WebSocket without a hello."""
        return _upgraded(self.tls(source))

    def many(self, count: int, step: str, seconds: float = 30.0) -> list[socket.socket]:
        """So many connections that go so far: "tcp", "tls", "http" (half a head) or "link"."""
        sources = self.sources or [""]

        def act() -> list[socket.socket]:
            made: list[socket.socket] = []
            end = time.monotonic() + seconds
            for number in range(count):
                with contextlib.suppress(OSError):
                    plain = _connected(self.lan.server.ipv4, sources[number % len(sources)])
                    made.append(plain)
                    if step != "tcp":
                        made[-1] = wire = _tls(plain)
                        if step == "http":
                            wire.sendall(b"POST /api/v1/messages HTTP/1.1\r\nHost: wake1\r\nContent-Le")
                        elif step == "link":
                            _upgraded(wire)
                assert time.monotonic() < end, f"{len(made)} of {count} in {seconds} s"
            return made

        return self.inside(act)


def _connected(server: str, source: str) -> socket.socket:
    made = socket.create_connection((server, PORT), _SECONDS, (source, 0))
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


def _tls(plain: socket.socket) -> ssl.SSLSocket:
    return _ANYBODY.wrap_socket(plain)


def _upgraded(wire: ssl.SSLSocket) -> ssl.SSLSocket:
    wire.sendall(_UPGRADE)
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        more = wire.recv(1)
        if not more:
            raise ConnectionResetError("closed before it was a WebSocket")
        head += more
    assert head.startswith(b"HTTP/1.1 101 "), head
    return wire


def frame(data: bytes, kind: int = TEXT, last: bool = True, says: int | None = None) -> bytes:
    """A frame of a WebSocket (RFC 6455, section 5.2), masked. ``says``: the length that its header has."""
    length = len(data) if says is None else says
    first = bytes([(0x80 if last else 0) | kind])
    if length < 126:
        head = first + bytes([0x80 | length])
    elif length < 65536:
        head = first + struct.pack("!BH", 0x80 | 126, length)
    else:
        head = first + struct.pack("!BQ", 0x80 | 127, length)
    return head + bytes(4) + data  # a mask that changes nothing


def post(path: str, body: bytes, *headers: str, length: int | None = None) -> bytes:
    """A request; ``length``: what Content-Length says, -1: nothing."""
    lines = [f"POST {path} HTTP/1.1", "Host: wake1", *headers]
    if length != -1:
        lines.append(f"Content-Length: {len(body) if length is None else length}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def chunked(parts: Iterator[bytes]) -> Iterator[bytes]:
    for part in parts:
        yield b"%x\r\n%b\r\n" % (len(part), part)
    yield b"0\r\n\r\n"


def heard(wire: socket.socket, seconds: float = _SECONDS) -> bytes:
    """All that comes until the other side closes; fails where it does not within that time."""
    wire.settimeout(seconds)
    found, end = b"", time.monotonic() + seconds
    with contextlib.suppress(ConnectionError, ssl.SSLEOFError):
        while more := wire.recv(65536):
            found += more
            assert time.monotonic() < end, "it goes on"
    return found


def answered(wire: socket.socket, seconds: float = _SECONDS) -> bytes:
    """One answer of HTTP, head and body."""
    wire.settimeout(seconds)
    found = b""
    while b"\r\n\r\n" not in found:
        more = wire.recv(65536)
        if not more:
            return found
        found += more
    head, _end, body = found.partition(b"\r\n\r\n")
    sizes = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    length = int(sizes[0].partition(b":")[2]) if sizes else 0
    while len(body) < length:
        more = wire.recv(65536)
        if not more:
            break
        body += more
    return head + b"\r\n\r\n" + body


def pushed(wire: socket.socket, parts: Iterator[bytes]) -> int:
    """How many bytes were taken before the other side had enough."""
    sent = 0
    with contextlib.suppress(OSError):
        for part in parts:
            wire.sendall(part)
            sent += len(part)
    return sent


class Cost:
    """What powerwaked has used while the block ran: ``cpu`` in seconds, ``grown`` in bytes."""

    def __init__(self, lan: Lan) -> None:
        assert lan.server.process is not None
        self._process = psutil.Process(lan.server.process.pid)

    def __enter__(self) -> Cost:
        self._cpu, self._rss = self._used(), self._process.memory_info().rss
        return self

    def __exit__(self, *_error: object) -> None:
        self.cpu, self.grown = self._used() - self._cpu, self._process.memory_info().rss - self._rss

    def growing(self) -> int:
        """Bytes so far."""
        return int(self._process.memory_info().rss - self._rss)

    def _used(self) -> float:
        times = self._process.cpu_times()
        return float(times.user + times.system)


def noise(size: int, part: int = 65536) -> Iterator[bytes]:
    """So many bytes that nothing compresses."""
    block = os.urandom(part)
    for _each in range(size // part):
        yield block
