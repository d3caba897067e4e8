# SPDX-License-Identifier: GPL-3.0-or-later
"""A wake server that listens by TLS on the loopback interface, and hosts that speak to it by their own sockets."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import ssl
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from aiohttp import web

from powernap.config.wake import load_wake
from powernap.config.wake.listen import ListenSettings
from powernap.shared.envelope import TO_CLIENT, TO_SERVER, Message, read, seal
from powernap.wake import tls
from powernap.wake.api.answers import explain_errors
from powernap.wake.link.hub import Hello, HubListener, Peer, Said
from powernap.wake.link.routes import routes
from powernap.wake.path.classic import ClassicPath
from powernap.wake.registry import Registry
from powernap.wake.service import Service

SECONDS = 20.0
TEXT, BINARY, CLOSE, PING = 1, 2, 8, 9


class Place:
    """A running wake server; ``port`` by which it is reached, ``ca``: PEM file of its authority."""

    def __init__(self, directory: Path, service: Service, port: int, ca: Path) -> None:
        self.directory, self.service, self.port, self.ca = directory, service, port, ca
        self.hub = service.hub

    async def enrol(self, name: str, number: int = 1) -> str:
        """Returns the key."""
        mac = f"02:4c:00:00:{number >> 8:02x}:{number & 255:02x}"
        _changed, record, _host = await self.service.enrolment.enrol(name, {"macs": [mac]})
        return record.key


@contextlib.asynccontextmanager
async def place(directory: Path, more: str = "", **listen: Any) -> AsyncIterator[Place]:
    """It hears no segment: hosts can say hello, but not go to sleep. ``more``: of its configuration."""
    config_file = directory / "powerwaked.toml"
    config_file.write_text(f'[discovery]\nuse = "off"\n[registry]\npath = "{directory}/registry.sqlite"\n{more}')
    settings = replace(ListenSettings(address="127.0.0.1", port=0), **listen)
    config = replace(load_wake(config_file), listen=settings)
    service = Service(config, Registry(config.registry.path), ClassicPath("a test"))
    service.engine.roster = service.roster  # as start() would, which needs a segment
    context = tls.context(settings, directory / "tls")
    service.authority = tls.authority(settings, directory / "tls")
    app = web.Application(middlewares=[explain_errors])
    for route in routes(service):
        app.router.add_route(route.method, route.path, route.handler)
    runner = web.AppRunner(app, access_log=None, handle_signals=False)
    await runner.setup()
    assert runner.server is not None
    service.entrance.open(runner.server, context)
    try:
        yield Place(directory, service, service.entrance.ports[0], directory / "tls" / "ca.pem")
    finally:
        service.entrance.close()
        await service.hub.close(10)
        await runner.cleanup()
        await service.stop()


class Refused(Exception):
    """The other side has closed. ``code`` and ``why``: of the close frame; 0 where there was none."""

    def __init__(self, code: int, why: str) -> None:
        super().__init__(f"{code}: {why}")
        self.code, self.why = code, why


class Wire:
    """A WebSocket by hand (RFC 6455), so that everything can be said by it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def open(cls, place: Place, source: str = "127.0.0.1") -> Wire:
        reader, writer = await connect(place, source)
        key = base64.b64encode(os.urandom(16)).decode()
        writer.write(
            f"GET /api/v1/link HTTP/1.1\r\nHost: wake1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), SECONDS)
        assert head.startswith(b"HTTP/1.1 101 "), head
        return cls(reader, writer)

    def frame(self, data: bytes, kind: int = TEXT, length: int | None = None, last: bool = True) -> None:
        """``length``: what the frame says, where that is not the truth."""
        size = len(data) if length is None else length
        head = bytes([(0x80 if last else 0) | kind])
        if size < 126:
            head += bytes([0x80 | size])
        else:
            head += bytes([0x80 | 127]) + struct.pack("!Q", size)
        self.writer.write(head + b"\0\0\0\0" + data)  # the mask of nothing changes nothing

    async def hear(self) -> str:
        """The next text. Raises Refused."""
        try:
            return await asyncio.wait_for(self._hear(), SECONDS)
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            raise Refused(0, "") from None

    async def _hear(self) -> str:
        while True:
            first, second = await self.reader.readexactly(2)
            size = second & 0x7F
            if size == 126:
                size = struct.unpack("!H", await self.reader.readexactly(2))[0]
            elif size == 127:
                size = struct.unpack("!Q", await self.reader.readexactly(8))[0]
            data = await self.reader.readexactly(size)
            if first & 15 == CLOSE:
                self.frame(data, CLOSE)
                raise Refused(struct.unpack("!H", data[:2])[0], data[2:].decode())
            if first & 15 == TEXT:
                return data.decode()

    def close(self) -> None:
        self.writer.transport.abort()


async def connect(place: Place, source: str = "127.0.0.1") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    context = ssl.create_default_context(cafile=str(place.ca))
    context.check_hostname = False
    return await asyncio.open_connection("127.0.0.1", place.port, ssl=context, local_addr=(source, 0))


class Talker:
    """A host's side of the link, as the protocol has it."""

    def __init__(self, place: Place, name: str, key: str) -> None:
        self.place, self.name, self.key = place, name, key
        self.seq = time.time_ns()
        self.session = ""
        self.wire: Wire

    def seal(self, kind: str, body: dict[str, Any], seq: int | None = None) -> str:
        self.seq += 1
        return seal(self.key, TO_SERVER, Message(self.name, kind, self.seq if seq is None else seq, body))

    def hello(self, state: str = "awake", cause: str = "boot", **more: Any) -> str:
        nonce = os.urandom(16).hex()
        return self.seal("hello", {"nonce": nonce, "state": state, "cause": cause, "slept_seconds": 0, **more})

    async def link(self, state: str = "awake", source: str = "127.0.0.1") -> dict[str, Any]:
        """A new connection and its hello. Returns the welcome's body."""
        self.wire = await Wire.open(self.place, source)
        welcome = await self.ask(self.hello(state))
        assert welcome.kind == "welcome", welcome
        self.session = str(welcome.body["session"])
        return dict(welcome.body)

    async def ask(self, text: str) -> Message:
        """The answer to that message; its signature is right."""
        self.wire.frame(text.encode())
        seq = read(text).message.seq
        while True:
            message = await self.hear()
            if message.re == seq:
                return message

    async def say(self, kind: str, body: dict[str, Any]) -> Message:
        return await self.ask(self.seal(kind, body))

    async def hear(self) -> Message:
        return read(await self.wire.hear()).opened(self.key, TO_CLIENT)


async def post(place: Place, text: bytes, source: str = "127.0.0.1") -> tuple[int, str]:
    """POST /api/v1/messages by a connection of its own; (status, body)."""
    reader, writer = await connect(place, source)
    writer.write(
        b"POST /api/v1/messages HTTP/1.1\r\nHost: wake1\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b"
        % (len(text), text)
    )
    answer = await asyncio.wait_for(reader.read(), SECONDS)
    writer.close()
    head, _gap, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), body.decode()


def error_of(message: Message) -> str:
    assert message.kind == "ack" and message.body["ok"] is False, message
    return str(message.body["error"])


async def eventually(what: Any, seconds: float = SECONDS) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "not in time"
        await asyncio.sleep(0.02)


def as_json(text: str) -> Any:
    return json.loads(text)


def run(directory: Path, act: Callable[[Place], Awaitable[None]], **listen: object) -> None:
    async def body() -> None:
        async with place(directory, **listen) as there:
            await act(there)

    asyncio.run(asyncio.wait_for(body(), 90))


class Ears(HubListener):
    def __init__(self, place: Place) -> None:
        self.heard: list[tuple[object, ...]] = []
        place.hub.listeners.append(self)

    def hello(self, name: str, hello: Hello, peer: Peer) -> None:
        self.heard.append(("hello", name, hello.state, peer.transport))

    def said(self, name: str, said: Said) -> None:
        self.heard.append(("said", name, said.state))

    def left(self, name: str, how: str, peer: Peer) -> None:
        self.heard.append(("left", name, how))

    def bye(self, name: str, cause: str) -> None:
        self.heard.append(("bye", name, cause))


async def talker(there: Place, name: str = "web1", number: int = 1) -> Talker:
    return Talker(there, name, await there.enrol(name, number))
