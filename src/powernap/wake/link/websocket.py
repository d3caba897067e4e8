# SPDX-License-Identifier: GPL-3.0-or-later
"""The link as a WebSocket (RFC 6455): each frame of text is one message. The usual way."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Coroutine
from typing import Any

from aiohttp import WSMsgType, web

from powernap.shared.envelope import MOST_BYTES, BadMessage
from powernap.wake.link.entrance import MOST_UNREAD, Entrance, Guard
from powernap.wake.link.hub import Hub, Stranger
from powernap.wake.registry import RegistryError

_log = logging.getLogger(__name__)
#: What may wait for a host that does not read, bytes.
MOST_WAITING = 256 * 1024
#: What may come in before it is understood: a hello alone.
MOST_UNPROVEN = 160 * 1024
_CLOSE_SECONDS = 3.0
#: Messages that are heard of a link that has ended; of a host that says too much each takes its time.
_MOST_BEHIND = 16
_LONGEST_WHY = 120  # bytes of a close frame, less its code
GOING_AWAY, NOT_UNDERSTOOD, UNKNOWN, TOO_SLOW, TRY_AGAIN = 1001, 1007, 4401, 4408, 1013


class WebSocketPeer:
    """One open link."""

    transport = "websocket"
    lasts = True

    def __init__(self, socket: web.WebSocketResponse, request: web.Request, guard: Guard | None) -> None:
        self.address = address_of(request)
        self._socket, self._request, self._guard = socket, request, guard
        self._waiting: deque[str] = deque()
        self._bytes = 0
        self._flushing = self._in_turn = self._closing = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._over = asyncio.Event()
        if guard is not None:
            guard.lost = self._over.set

    def send(self, text: str) -> None:
        if self._closing:
            return
        self._waiting.append(text)
        self._bytes += len(text)
        if self._bytes > MOST_WAITING:
            self._waiting.clear()
            self.close("does not read what is sent to it", TOO_SLOW)
        elif not self._in_turn and not self._flushing:
            self._start(self.flush())

    def close(self, why: str, code: int = GOING_AWAY) -> None:
        if not self._closing:
            self._closing = True
            self._over.set()
            self._start(self._close(why, code))

    async def end(self, why: str, code: int) -> None:
        """Close, and wait until that is over."""
        self.close(why, code)
        await self.ended()

    async def pause(self, seconds: float) -> None:
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._over.wait(), seconds)

    def is_over(self) -> bool:
        """Whether it is closed, or its connection has ended, whatever that brought before and is still to be heard."""
        return self._closing or self._request.transport is None or self._request.transport.is_closing()

    async def ended(self) -> None:
        """Wait until what goes out has gone out: an aiohttp before 3.9 would else close in its own words."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def hear(self, hub: Hub, text: str) -> None:
        """One message; its answer goes out with whatever else there is to send. Meanwhile the others stay unread."""
        self._in_turn = True
        self._request.protocol.pause_reading()
        try:
            await hub.receive(self, text.encode("utf-8", "surrogatepass"))
        finally:
            self._in_turn = False
            self._request.protocol.resume_reading()
        if self._guard is not None:
            self._guard.fresh()
        await self.flush()

    async def flush(self) -> None:
        if self._flushing:
            return
        self._flushing = True
        try:
            while self._waiting:
                text = self._waiting.popleft()
                self._bytes -= len(text)
                await self._socket.send_str(text)
        except (ConnectionError, RuntimeError):
            self._waiting.clear()  # it is closed, and whoever reads from it will see
            self._bytes = 0
        finally:
            self._flushing = False

    async def _close(self, why: str, code: int) -> None:
        with contextlib.suppress(asyncio.TimeoutError, ConnectionError, RuntimeError):
            await asyncio.wait_for(self._say_goodbye(why, code), _CLOSE_SECONDS)
            return
        if self._request.transport is not None:
            self._request.transport.abort()

    async def _say_goodbye(self, why: str, code: int) -> None:
        await self.flush()
        await self._socket.close(code=code, message=why.encode()[:_LONGEST_WHY])

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def serve(hub: Hub, entrance: Entrance, request: web.Request) -> web.WebSocketResponse:
    """Until the link ends."""
    socket = web.WebSocketResponse(
        timeout=_CLOSE_SECONDS, max_msg_size=MOST_BYTES + 1, compress=False, autoclose=True, autoping=True
    )
    guard = entrance.guard(request.transport)
    if guard is not None:
        guard.limit = MOST_UNPROVEN
    await socket.prepare(request)
    peer = WebSocketPeer(socket, request, guard)
    how, behind = "the connection ended", 0
    try:
        while True:
            message = await socket.receive()
            if message.type is not WSMsgType.TEXT:
                if message.type is WSMsgType.BINARY:
                    raise BadMessage("a message is a frame of text")
                break
            await peer.hear(hub, message.data)
            behind = behind + 1 if peer.is_over() else 0
            if behind > (_MOST_BEHIND if hub.is_link(peer) else 0):
                break
            if guard is not None and not guard.proven and hub.is_link(peer):
                entrance.prove(request.transport, MOST_UNREAD)
    except Stranger as error:
        how = str(error)
        await peer.end(how, UNKNOWN)
    except BadMessage as error:
        how = str(error)
        await peer.end(how, NOT_UNDERSTOOD)
    except RegistryError as error:
        how = str(error)
        await peer.end("the registry cannot be read", TRY_AGAIN)
    finally:
        hub.lost(peer, how)
        await peer.ended()
    return socket


def address_of(request: web.Request) -> str:
    peer = request.transport.get_extra_info("peername") if request.transport is not None else None
    return str(peer[0]) if isinstance(peer, tuple) and peer else "unix"
