# SPDX-License-Identifier: GPL-3.0-or-later
"""One TCP connection, with TLS where the address asks for it.

TLS by ssl.SSLObject, not by asyncio's streams: those are imported without ssl (machine/lean.py), and have timers.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from powernap.machine import ownlinks
from powernap.nap.background import beside
from powernap.nap.link.trust import OF_ANOTHER_TIME, Trust
from powernap.shared.errors import PowernapError

PORT = 20709
#: The kernel finds out that the other side is gone, without waking this process: tcp(7).
KEEPALIVE = {"TCP_KEEPIDLE": 120, "TCP_KEEPINTVL": 20, "TCP_KEEPCNT": 4, "TCP_USER_TIMEOUT": 60_000}
CHUNK = 65536
#: ContentType "alert" of a TLS record: RFC 8446, section 5.1. No HTTP begins so.
ALERT = b"\x15"
CLOSED = "the wake server closed the connection"
SPEAKS_TLS = "does server.url begin with http:// where the wake server's listen.tls is on?"


class Unreachable(PowernapError):
    """No connection to the wake server."""


class Untimely(Unreachable):
    """A certificate that was not valid yet, or is not any more, by this machine's clock."""


@dataclass(frozen=True)
class Address:
    host: str
    port: int
    tls: bool

    @property
    def authority(self) -> str:
        """Return what an HTTP request names as Host."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def address(url: str) -> Address:
    parts = urlsplit(url)
    return Address(parts.hostname or "", parts.port or PORT, parts.scheme == "https")


class Wire(asyncio.Protocol):
    """One that is connected, and may be lost before anybody listens."""

    def __init__(self, tls: ssl.SSLObject | None, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO) -> None:
        self._heard: Callable[[bytes], None] = lambda _data: None
        self._lost: Callable[[str], None] = lambda _why: None
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._tls, self._incoming, self._outgoing = tls, incoming, outgoing
        self._transport: asyncio.Transport | None = None
        self._answered = False
        self._why = CLOSED

    # --- of asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if self._tls is None:
            self.ready.set_result(None)
        else:
            self._shake_hands()

    def data_received(self, data: bytes) -> None:
        if self._tls is None:
            if not self._answered and data[:1] == ALERT:
                self.fail(f"it answers with TLS: {SPEAKS_TLS}")
                return
            self._answered = True
            self._heard(data)
            return
        self._incoming.write(data)
        if not self.ready.done():
            self._shake_hands()
        if self.ready.done() and not self.ready.cancelled() and self.ready.exception() is None:
            self._decrypt()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        why = _said(exc) if exc is not None else self._why
        if self._tls is None and not self._answered and (exc is not None or self._why == CLOSED):
            why = f"{why}, without an answer: {SPEAKS_TLS}"
        self._why = why
        if not self.ready.done():
            self.ready.set_exception(Unreachable(why))
        self._lost(why)
        self._heard, self._lost = lambda _data: None, lambda _why: None

    # --- of ours

    def listen(self, heard: Callable[[bytes], None], lost: Callable[[str], None]) -> None:
        """Call ``heard`` with what comes, and ``lost`` once with why it ended: at once, where it has ended by now."""
        if self._transport is None:
            lost(self._why)
        else:
            self._heard, self._lost = heard, lost

    def write(self, data: bytes) -> None:
        if self._transport is None or not data:
            return
        if self._tls is None:
            self._transport.write(data)
            return
        try:
            self._tls.write(data)
        except ssl.SSLError as error:
            self.fail(_said(error))
            return
        self._flush()

    def close(self) -> None:
        """End it now. What was written is with the kernel, or is lost."""
        if self._transport is not None:
            self._transport.abort()

    def fail(self, why: str) -> None:
        self._why = why
        self.close()

    def _shake_hands(self) -> None:
        assert self._tls is not None
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
        except ssl.SSLError as error:
            self._flush()  # the alert that says why
            self.ready.set_exception(_untrusted(error))
            self.close()
        else:
            self._flush()
            self.ready.set_result(None)

    def _decrypt(self) -> None:
        assert self._tls is not None
        while self._transport is not None:
            try:
                data = self._tls.read(CHUNK)
            except ssl.SSLWantReadError:
                break
            except ssl.SSLZeroReturnError:
                self.close()
                return
            except ssl.SSLError as error:
                self.fail(_said(error))
                return
            if not data:
                self.close()
                return
            self._heard(data)
        self._flush()  # an answer to a change of keys

    def _flush(self) -> None:
        if self._outgoing.pending and self._transport is not None:
            self._transport.write(self._outgoing.read())


async def connect(where: Address, trust: Trust | None, seconds: float) -> Wire:
    """Return a connection. Raises Unreachable."""
    try:
        return await asyncio.wait_for(_connect_in_time(where, trust), seconds)
    except asyncio.TimeoutError:
        raise _not_there(f"no connection within {seconds:g} s") from None


async def _connect_in_time(where: Address, trust: Trust | None) -> Wire:
    try:
        return await _connect(where, trust)
    except Untimely as error:
        if trust is None or not trust.pass_over_time(str(error)):
            raise
    return await _connect(where, trust)


async def _connect(where: Address, trust: Trust | None) -> Wire:
    try:
        found = await beside(lambda: socket.getaddrinfo(_spelt(where.host), where.port, type=socket.SOCK_STREAM))
    except (OSError, UnicodeError) as error:
        raise _not_there(f"the name {where.host} is not resolved, {_said(error)}") from error
    why = Unreachable("its name has no address: check server.url")
    for family, kind, protocol, _name, to in found:
        sock = socket.socket(family, kind | socket.SOCK_CLOEXEC, protocol)
        try:
            return await _over(sock, to, where, trust)
        except Unreachable as error:
            why = error
            sock.close()
        except OSError as error:
            why = _not_there(_said(error))
            sock.close()
        except BaseException:
            sock.close()
            raise
    raise why


async def _over(sock: socket.socket, to: tuple[Any, ...], where: Address, trust: Trust | None) -> Wire:
    loop = asyncio.get_running_loop()
    sock.setblocking(False)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in KEEPALIVE.items():
        sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    await loop.sock_connect(sock, to)
    ownlinks.note(sock)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = None
    if trust is not None:
        tls = trust.context.wrap_bio(incoming, outgoing, server_hostname=_spelt(where.host))
    wire = Wire(tls, incoming, outgoing)
    await loop.create_connection(lambda: wire, sock=sock)
    try:
        await wire.ready
    except BaseException:
        wire.close()
        raise
    return wire


def _spelt(host: str) -> str | bytes:
    """As bytes where that will do: Python brings a table of all the world's letters, 1 MB, for a name that is text."""
    return host.encode() if host.isascii() else host


def _not_there(why: str) -> Unreachable:
    return Unreachable(
        f"it cannot be reached ({why}): check server.url, and on the wake server 'systemctl status powerwaked'"
    )


def _said(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno and not isinstance(error, (ssl.SSLError, socket.gaierror)):
        return os.strerror(error.errno)  # asyncio's own words name no reason
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _untrusted(error: ssl.SSLError) -> Unreachable:
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code in OF_ANOTHER_TIME:
            return Untimely(
                f"by this machine's clock there is something wrong with its certificate ({error.verify_message}): "
                "check the clock, here and on the wake server"
            )
        return Unreachable(
            f"its certificate is not of the CA in server.ca_file ({error.verify_message}): "
            "if the wake server was set up anew, remove that file and run 'powernap enrol', or deploy it again"
        )
    with contextlib.suppress(AttributeError):
        if error.reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST"):
            return Unreachable("it does not speak TLS: does server.url begin with https:// where listen.tls is off?")
    return Unreachable(f"TLS: {_said(error)}")
