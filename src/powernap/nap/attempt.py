# SPDX-License-Identifier: GPL-3.0-or-later
"""Network talk in a thread, with a limit: at its end the socket is shut down, so nothing is said after it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable
from typing import TypeVar

from powernap.nap.background import beside
from powernap.shared.errors import PowernapError

S = TypeVar("S", bound=socket.socket)


class Attempt:
    """What the thread shows of its work: the socket that it talks on."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sock: socket.socket | None = None
        self._over = False

    def hold(self, sock: S) -> S:
        """Note the socket, and return it; call it again after TLS has replaced it. Raises PowernapError when over."""
        with self._lock:
            if self._over:
                sock.close()
                raise PowernapError("it is too late")
            self._sock = sock
        return sock

    def end(self) -> None:
        """Stop whatever is going on."""
        with self._lock:
            self._over = True
            if self._sock is not None:
                with contextlib.suppress(OSError, ValueError):
                    self._sock.shutdown(socket.SHUT_RDWR)


async def within(seconds: float, what: str, work: Callable[[Attempt], None]) -> None:
    """Run blocking work; raises PowernapError, naming what was asked, at the end of that time."""
    attempt = Attempt()
    try:
        await asyncio.wait_for(beside(lambda: work(attempt)), seconds)
    except asyncio.TimeoutError as error:
        raise PowernapError(f"{what} did not answer within {seconds:g} s") from error
    finally:
        attempt.end()
