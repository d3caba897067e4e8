# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may come in: accepts connections, bounds those by which nobody has proved who he is, and lets go of the dead."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import logging
import resource
import socket
import ssl
import sys
from asyncio import sslproto
from collections import Counter
from collections.abc import Callable
from typing import Any

from powernap.config.wake.listen import ListenSettings
from powernap.shared.errors import PowernapError
from powernap.wake.api import problems

_log = logging.getLogger(__name__)
#: Seconds of silence before the kernel asks whether the other side is there, between its questions, how many; and
#: milliseconds after which what was sent has to be acknowledged (tcp(7)).
KEEPALIVE = (30, 10, 3)
USER_TIMEOUT = 60_000
#: Who waits longer than the client's patience, 5 s, has gone when his turn comes, and has cost a handshake: where
#: thousands come at once few wait, and few are let in at a time, so that those come through.
_BACKLOG = 256
_AT_ONCE = 8
_TLS_HANDSHAKE = b"\x16"
_NO_TLS = problems.raw("bad-request", "this port speaks TLS: write https:// instead of http://")
_OUT_OF = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_PAUSE_SECONDS = 1.0
_SAID_AGAIN_SECONDS = 60.0
#: Files that are left to the rest of the daemon: databases, probes of ports, programs that wake.
_RESERVED = 64
#: Bytes that may come in by a connection of which nothing is known: the longest message or question, and its head.
_MOST_UNPROVEN = 512 * 1024
_MOST_QUEUED = 64  # requests that were sent without waiting for answers
#: Bytes between two messages of a host, where aiohttp and the kernel may have read ahead.
MOST_UNREAD = 1024 * 1024
_MOST_HTTP = 16 * 1024
#: asyncio has 256 KiB of buffer for each TLS connection, all of it touched; most messages have a few hundred bytes.
_TLS_BUFFER = 4 * 1024


class CannotListen(PowernapError):
    """No socket could be had where clients are to be heard."""


class Guard(asyncio.Protocol):
    """One connection, before the protocol that understands it. ``limit``: bytes that may come in until ``fresh``.

    An older aiohttp gathers a whole frame before it looks how long it is; each reads on what it has refused.
    """

    def __init__(self, entrance: Entrance, source: str) -> None:
        self.limit = _MOST_UNPROVEN
        self.proven = False
        self.transport: asyncio.Transport | None = None
        self._entrance, self._source = entrance, source
        self._inner: Any = None
        self._came = 0
        self.timer: asyncio.TimerHandle | None = None
        self.lost: Callable[[], None] = lambda: None

    def fresh(self) -> None:
        """What came in was understood."""
        self._came = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._inner = self._entrance.protocol()
        self._entrance.guards[transport] = self
        self._inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        if self._inner is None:
            return
        if self.limit:
            self._came += len(data)
            if self._came > self.limit:
                self._entrance.counts["too_long"] += 1
                self.abort()
                return
        self._inner.data_received(data)
        if not self.proven and len(getattr(self._inner, "_messages", ())) > _MOST_QUEUED:  # older aiohttp bounds it not
            self._entrance.counts["too_long"] += 1
            self.abort()

    def eof_received(self) -> bool | None:
        answer: bool | None = self._inner.eof_received()
        return answer

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._entrance.gone(self)
        self.lost()
        self.lost = lambda: None
        if self._inner is not None:
            self._inner.connection_lost(exc)
            self._inner = None  # which knows the transport, and that knows this

    def abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()

    @property
    def source(self) -> str:
        return self._source


class Entrance:
    """Where clients and operators come in by TCP."""

    def __init__(self, listen: ListenSettings) -> None:
        self.protocol: Callable[[], asyncio.Protocol]
        self.guards: dict[asyncio.BaseTransport, Guard] = {}
        self.counts = {"refused": 0, "late": 0, "too_long": 0, "no_tls": 0, "handshake_failed": 0}
        self._listen = listen
        self._tls: ssl.SSLContext | None = None
        self._sockets: list[socket.socket] = []
        self._unproven: set[Guard] = set()
        self._most = 0
        self._said_full = -_SAID_AGAIN_SECONDS
        self._of: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()
        self._paused = False
        self._closed = False

    def open(self, protocol: Callable[[], asyncio.Protocol], tls: ssl.SSLContext | None) -> None:
        """``protocol()``: a new one of those that understand connections. Raises CannotListen."""
        self.protocol, self._tls = protocol, tls
        sslproto.SSLProtocol.max_size = _TLS_BUFFER  # type: ignore[attr-defined]  # as no other way is offered
        self._most = _raise_limit() - _RESERVED
        try:
            self._sockets += _listening(self._listen.address, self._listen.port)
        except OSError as error:
            self.close()
            raise CannotListen(error.strerror or str(error)) from error
        self._resume()

    def close(self) -> None:
        """Let nobody in any more; who is in stays."""
        self._closed = True
        self._pause()
        for each in self._sockets:
            each.close()
        self._sockets.clear()
        for task in self._tasks:
            task.cancel()

    def guard(self, transport: asyncio.BaseTransport | None) -> Guard | None:
        """The guard of a connection; None where it did not come by this door (a Unix socket)."""
        return self.guards.get(transport) if transport is not None else None

    def prove(self, transport: asyncio.BaseTransport | None, limit: int = 0) -> None:
        """Somebody has proved who he is: his connection counts no longer, and may stay. ``limit``: see Guard."""
        guard = self.guard(transport)
        if guard is not None and not guard.proven:
            guard.proven, guard.limit = True, limit
            self._settled(guard)
            if guard.timer is not None:
                guard.timer.cancel()

    def prolong(self, transport: asyncio.BaseTransport | None) -> None:
        """Somebody has proved who he is by one message: his connection may stay for a while, and for the next."""
        guard = self.guard(transport)
        if guard is None or guard.proven:
            return
        self._settled(guard)
        guard.limit = MOST_UNREAD
        guard.fresh()
        if guard.timer is not None:
            guard.timer.cancel()
        guard.timer = asyncio.get_running_loop().call_later(self._listen.unproven_seconds, guard.abort)

    @property
    def ports(self) -> list[int]:
        """Where it listens."""
        return [each.getsockname()[1] for each in self._sockets]

    def status(self) -> dict[str, Any]:
        return {"connections": len(self.guards), "unproven": len(self._unproven), **self.counts}

    # In

    def _accept(self, listening: socket.socket) -> None:
        for _nth in range(_AT_ONCE):
            if len(self._unproven) >= self._listen.unproven:
                self._pause()
                return
            if len(self.guards) + len(self._tasks) >= self._most:
                self._is_full(f"{self._most} are open")
                return
            try:
                came, address = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in _OUT_OF:
                    raise
                self._is_full(error.strerror or str(error))
                return
            self._came(came, _source(address[0]))

    def _is_full(self, why: str) -> None:
        loop = asyncio.get_running_loop()
        if loop.time() - self._said_full >= _SAID_AGAIN_SECONDS:
            self._said_full = loop.time()
            _log.error("no more connections can be taken (%s): raise LimitNOFILE of powerwaked", why)
        self._pause()
        loop.call_later(_PAUSE_SECONDS, self._resume)

    def _came(self, came: socket.socket, source: str) -> None:
        if self._of[source] >= self._listen.unproven_per_source:
            self.counts["refused"] += 1
            if self.counts["refused"] in (1, 100, 10_000):
                _log.warning("%s has too many connections open by which it has not said who it is", source)
            came.close()
            return
        came.setblocking(False)
        _keep_alive(came)
        guard = Guard(self, source)
        self._unproven.add(guard)
        self._of[source] += 1
        task = asyncio.ensure_future(self._let_in(came, guard))
        self._tasks.add(task)
        guard.timer = asyncio.get_running_loop().call_later(self._listen.unproven_seconds, self._late, guard, task)
        task.add_done_callback(self._tasks.discard)

    async def _let_in(self, came: socket.socket, guard: Guard) -> None:
        loop = asyncio.get_running_loop()
        try:
            if self._tls is not None and await _first_byte(came) != _TLS_HANDSHAKE:
                self.counts["no_tls"] += 1
                _say_no_tls(came)
                self._shut(came, guard)
                return
        except OSError:
            self.counts["handshake_failed"] += 1
            self._shut(came, guard)
            return
        except asyncio.CancelledError:
            self._shut(came, guard)
            raise
        seconds = self._listen.unproven_seconds if self._tls is not None else None
        try:
            # From here on asyncio closes the socket. Closed behind its back, its number would be given to the next one
            # while asyncio still has it down as this one's.
            await loop.connect_accepted_socket(lambda: guard, came, ssl=self._tls, ssl_handshake_timeout=seconds)
        except OSError:  # ssl.SSLError is one, too
            self.counts["handshake_failed"] += 1
            self._settled(guard)
        except asyncio.CancelledError:
            self._settled(guard)
            raise

    def _shut(self, came: socket.socket, guard: Guard) -> None:
        came.close()
        self._settled(guard)

    def _late(self, guard: Guard, task: asyncio.Task[None]) -> None:
        self.counts["late"] += 1
        task.cancel()
        guard.abort()
        self._settled(guard)

    def gone(self, guard: Guard) -> None:
        """A connection has ended."""
        if guard.transport is not None:
            self.guards.pop(guard.transport, None)
        self._settled(guard)
        if guard.timer is not None:
            guard.timer.cancel()

    def _settled(self, guard: Guard) -> None:
        if guard not in self._unproven:
            return
        self._unproven.discard(guard)
        self._of[guard.source] -= 1
        if not self._of[guard.source]:
            del self._of[guard.source]
        if guard.timer is not None:
            guard.timer.cancel()
        if self._paused:
            self._resume()

    def _pause(self) -> None:
        self._paused = True
        for each in self._sockets:
            asyncio.get_running_loop().remove_reader(each)

    def _resume(self) -> None:
        if self._closed:
            return
        self._paused = False
        for each in self._sockets:
            asyncio.get_running_loop().add_reader(each, self._accept, each)


async def _first_byte(came: socket.socket) -> bytes:
    """Until then a connection costs nothing but its socket."""
    try:
        return came.recv(1, socket.MSG_PEEK)
    except (BlockingIOError, InterruptedError):
        pass
    loop = asyncio.get_running_loop()
    readable: asyncio.Future[None] = loop.create_future()
    loop.add_reader(came, _wake, readable)
    try:
        await readable
    finally:
        loop.remove_reader(came)
    return came.recv(1, socket.MSG_PEEK)


def _say_no_tls(came: socket.socket) -> None:
    """What was not read when it is closed would have the kernel throw the answer away."""
    with contextlib.suppress(OSError):
        came.recv(_MOST_HTTP)
        came.send(_NO_TLS)
        came.shutdown(socket.SHUT_WR)


def _wake(readable: asyncio.Future[None]) -> None:
    if not readable.done():
        readable.set_result(None)


def _source(address: str) -> str:
    """Whoever has an IPv6 network has all of its addresses."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if ip.version == 6 and ip.ipv4_mapped is not None:
        return str(ip.ipv4_mapped)
    return str(ip) if ip.version == 4 else str(ipaddress.ip_network((ip, 64), strict=False).network_address)


def _keep_alive(came: socket.socket) -> None:
    idle, interval, tries = KEEPALIVE
    came.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    came.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, idle)
    came.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, interval)
    came.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, tries)
    came.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, USER_TIMEOUT)


def _listening(address: str, port: int) -> list[socket.socket]:
    """Raises OSError. For all addresses there are two, so that who comes by IPv4 is seen by the address that he has."""
    if address not in ("", "::"):
        found = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        return [_bound(*place) for place in dict.fromkeys((each[0], each[4]) for each in found)]
    opened = [_bound(socket.AF_INET, ("0.0.0.0", port))]
    try:
        opened.append(_bound(socket.AF_INET6, ("::", port)))
    except OSError as error:
        if error.errno not in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):
            opened[0].close()
            raise
        _log.info("clients are heard by IPv4 alone: this machine has no IPv6")
    return opened


def _bound(family: int, address: Any) -> socket.socket:
    opened = socket.socket(family, socket.SOCK_STREAM)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        opened.bind(address)
        opened.setblocking(False)
        opened.listen(_BACKLOG)
    except OSError:
        opened.close()
        raise
    return opened


def _raise_limit() -> int:
    """Each host is an open file. Returns how many may be open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
    return soft if soft != resource.RLIM_INFINITY else sys.maxsize
