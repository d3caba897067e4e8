# SPDX-License-Identifier: GPL-3.0-or-later
"""FakeLinkServer: a real TLS WebSocket server (aiohttp) that speaks the channel, and does as the test tells it."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import ipaddress
import json
import secrets
import ssl
import threading
import time
from pathlib import Path

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from powernap.shared import envelope
from powernap.shared.envelope import TO_CLIENT, TO_SERVER, Message

KEY = "5a" * 32


def authority(folder: Path, name: str = "ca") -> tuple[Path, Path]:
    """Write a CA, and a certificate for 127.0.0.1 with its key; return the files of both."""
    now = datetime.datetime.now(datetime.timezone.utc)

    def named(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    def made(subject: str, key, issuer: str, signer, ca: bool):
        builder = (
            x509.CertificateBuilder()
            .subject_name(named(subject))
            .issuer_name(named(issuer))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=30))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        if not ca:
            names = [x509.IPAddress(ipaddress.ip_address(ip)) for ip in ("127.0.0.1", "198.18.0.2")]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(signer, hashes.SHA256())

    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    ca_file, server_file = folder / f"{name}.pem", folder / f"{name}-server.pem"
    ca_file.write_bytes(made(name, ca_key, name, ca_key, True).public_bytes(pem))
    server_file.write_bytes(private + made("server", key, name, ca_key, False).public_bytes(pem))
    return ca_file, server_file


class FakeLinkServer:
    """``said_all``: (kind, body) of what was believed. ``mute``: kinds that get no answer; ``refuse``: kind -> error.

    ``websocket``: whether there is one; ``woken_for``: of the next welcomes.
    """

    def __init__(self, certificate: Path | None, address: str = "127.0.0.1", port: int = 0, where=None) -> None:
        self.said_all: list[tuple[str, dict]] = []
        self.numbers: list[int] = []
        self.ways: list[str] = []
        self.mute: set[str] = set()
        self.refuse: dict[str, dict] = {}
        self.websocket = True
        self.woken_for: dict | None = None
        self.time_offset = 0.0
        self.connections = 0
        self.delay = 0.0
        self.session = ""
        self._seq = time.time_ns()
        self._sockets: list[web.WebSocketResponse] = []
        self._context = None
        if certificate is not None:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(certificate)
        self._place = address, port
        self._where = where or contextlib.nullcontext
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()
        self.start()

    @property
    def url(self) -> str:
        return f"http{'s' if self._context else ''}://{self._place[0]}:{self._place[1]}"

    def start(self) -> None:
        self._on_loop(self._start())

    def stop(self) -> None:
        """End all connections, and listen no more; ``start`` takes the same port."""
        self._on_loop(self._stop())

    def close(self) -> None:
        if not self.loop.is_running():
            return
        self.stop()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(5)

    def of(self, kind: str) -> list[dict]:
        return [body for each, body in self.said_all if each == kind]

    def order(self, verb: str, arguments=None, identifier: str = "", **changes) -> str:
        """Send an order over the link; return its text, so that it can be sent again."""
        self._seq += 1
        body = {
            "id": identifier or secrets.token_hex(8),
            "session": self.session,
            "verb": verb,
            "arguments": arguments or {},
            "time": time.time() + self.time_offset,
            "valid_seconds": 30,
            "by": "alice",
            **changes,
        }
        text = envelope.seal(KEY, TO_CLIENT, Message("web1", "order", self._seq, body))
        self.send(text)
        return text

    def send(self, text: str) -> None:
        self._on_loop(self._sockets[-1].send_str(text))

    def drop(self) -> None:
        """End the connections without a word."""
        for socket in self._sockets:
            transport = socket._req.transport if socket._req is not None else None
            if transport is not None:
                self.loop.call_soon_threadsafe(transport.abort)

    def _on_loop(self, work):
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(15)

    async def _start(self) -> None:
        application = web.Application()
        application.add_routes([web.get("/api/v1/link", self._link), web.post("/api/v1/messages", self._post)])
        self._runner = web.AppRunner(application, handle_signals=False, shutdown_timeout=0.1)
        await self._runner.setup()
        with self._where():
            site = web.TCPSite(self._runner, *self._place, ssl_context=self._context, reuse_address=True)
            await site.start()
        self._place = self._place[0], site._server.sockets[0].getsockname()[1]

    async def _stop(self) -> None:
        for socket in self._sockets:
            if socket._req is not None and socket._req.transport is not None:
                socket._req.transport.abort()
        self._sockets = []
        await self._runner.cleanup()

    async def _link(self, request):
        if not self.websocket:
            raise web.HTTPForbidden
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.connections += 1
        self._sockets.append(socket)
        async for message in socket:
            self.ways.append("websocket")
            await asyncio.sleep(self.delay)
            for answer in self._answer(message.data):
                await socket.send_str(answer)
        return socket

    async def _post(self, request):
        self.ways.append("post")
        await asyncio.sleep(self.delay)
        answers = self._answer(await request.text())
        if not answers:
            await asyncio.sleep(60)
        return web.Response(text="".join(f"{answer}\n" for answer in answers))

    def _answer(self, text: str) -> list[str]:
        message = envelope.read(text).opened(KEY, TO_SERVER)
        self.numbers.append(message.seq)
        if message.kind in self.mute:
            return []
        if message.kind in self.refuse:
            return [self._seal("ack", message, {"ok": False, **self.refuse[message.kind]})]
        self.said_all.append((message.kind, json.loads(json.dumps(message.body))))
        if message.kind != "hello":
            return [self._seal("ack", message, {"ok": True})]
        self.session = secrets.token_hex(8)
        body = {"nonce": message.body["nonce"], "session": self.session, "time": time.time() + self.time_offset}
        body |= {"lease_seconds": 3600, "woken_for": self.woken_for, "name": "web1"}
        return [self._seal("welcome", message, body)]

    def _seal(self, kind: str, message: Message, body: dict) -> str:
        self._seq += 1
        return envelope.seal(KEY, TO_CLIENT, Message("web1", kind, self._seq, body, message.seq))
