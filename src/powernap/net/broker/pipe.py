# SPDX-License-Identifier: GPL-3.0-or-later
"""A TCP connection to a broker, with TLS where that is asked for: made beside the event loop, then read and written on
it, without a thread or a timer. Not by asyncio's own TLS, which powernapd does not load.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
from collections.abc import Callable

from powernap.machine import ownlinks
from powernap.nap.background import beside
from powernap.net.broker.base import KEEPALIVE, MOST_WAITING, Broker, BrokerError

_CHUNK = 64 * 1024


def context(place: Broker) -> ssl.SSLContext | None:
    """Return how the broker's certificate is judged: by the CA, and its name. Raises BrokerError."""
    if not place.tls:
        return None
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        if place.ca_file:
            made.load_verify_locations(cafile=place.ca_file)
        else:
            made.load_default_certs(ssl.Purpose.SERVER_AUTH)
    except OSError as error:
        why = "holds no certificate (PEM)" if isinstance(error, ssl.SSLError) else f"cannot be read ({error.strerror})"
        raise BrokerError(f"the broker's CA, {place.ca_file}, {why}") from error
    return made


def tune(sock: socket.socket) -> None:
    """A connection of ours that is open."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in KEEPALIVE.items():
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    ownlinks.note(sock)


def cannot(place: Broker, error: Exception) -> BrokerError:
    """Return the sentence for a connection that could not be made."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return BrokerError(
            f"the broker {place} is not believed ({error.verify_message}): its certificate has to be of the CA that is "
            "configured for it, and to name it"
        )
    if isinstance(error, ssl.SSLError):
        return BrokerError(f"the broker {place} speaks no TLS that is understood here ({error.reason or error})")
    if isinstance(error, (TimeoutError, asyncio.TimeoutError)):
        return BrokerError(f"the broker {place} does not answer in time")
    return BrokerError(f"the broker {place} cannot be reached ({said(error)}): does it run, and is that its address?")


def said(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno and not isinstance(error, (ssl.SSLError, socket.gaierror)):
        return os.strerror(error.errno)
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


class Pipe:
    """``heard`` is called with what comes, ``lost`` once with why it ended."""

    def __init__(self, sock: socket.socket) -> None:
        self.heard: Callable[[bytes], None] = lambda _data: None
        self.lost: Callable[[str], None] = lambda _why: None
        self._loop = asyncio.get_running_loop()
        self._sock = sock
        self._unsent = bytearray()
        self._over = False
        self._ending = False
        self._loop.add_reader(sock, self._read)

    @property
    def waiting(self) -> int:
        return len(self._unsent)

    def write(self, data: bytes) -> None:
        if self._over or self._ending:
            return
        idle = not self._unsent
        self._unsent += data
        if idle:
            self._write()
        if len(self._unsent) > MOST_WAITING:
            self.end("the broker does not read what is sent to it")

    def finish(self) -> None:
        """End it when all is sent."""
        self._ending = True
        if not self._unsent:
            self.end("this machine ended the connection")

    def end(self, why: str) -> None:
        if self._over:
            return
        self._over = True
        self._loop.remove_reader(self._sock)
        self._loop.remove_writer(self._sock)
        with contextlib.suppress(OSError):
            self._sock.close()
        self._unsent.clear()
        self.lost(why)

    def _read(self) -> None:
        while not self._over:
            try:
                data = self._sock.recv(_CHUNK)
            except (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return
            except OSError as error:
                self.end(said(error))
                return
            if not data:
                self.end("the broker closed the connection")
                return
            self.heard(data)
            if not isinstance(self._sock, ssl.SSLSocket):
                return  # what is left wakes the loop again; what TLS has read ahead would not

    def _write(self) -> None:
        try:
            while self._unsent:
                del self._unsent[: self._sock.send(bytes(self._unsent[:_CHUNK]))]
        except (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            self._loop.add_writer(self._sock, self._write)
            return
        except OSError as error:
            self.end(said(error))
            return
        self._loop.remove_writer(self._sock)
        if self._ending:
            self.end("this machine ended the connection")


async def open_pipe(place: Broker, seconds: float) -> Pipe:
    """Raises BrokerError."""

    def opened() -> socket.socket:
        judged = context(place)
        sock = socket.create_connection((place.host, place.port), seconds)
        try:
            tune(sock)
            if judged is not None:
                sock = judged.wrap_socket(sock, server_hostname=place.host)
            sock.setblocking(False)
        except BaseException:
            sock.close()
            raise
        return sock

    try:
        return Pipe(await beside(opened))
    except OSError as error:
        raise cannot(place, error) from None
