# SPDX-License-Identifier: GPL-3.0-or-later
"""The channel as a WebSocket (RFC 6455): every text frame is one message."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Message,
    Ping,
    RejectConnection,
    RejectData,
    Request,
    TextMessage,
)
from wsproto.utilities import RemoteProtocolError

from powernap.nap.link.trust import Trust
from powernap.nap.link.wire import Address, Unreachable, Wire, connect
from powernap.shared import envelope
from powernap.shared.errors import PowernapError

PATH = "/api/v1/link"
TOO_LONG = 1009
FOR_ALL_WAYS = (429, 503)


class Declined(PowernapError):
    """Something answers there, but with no WebSocket. ``status``: of HTTP; ``again_seconds``: when to come again."""

    def __init__(self, sentence: str, status: int, again_seconds: float = 0.0) -> None:
        super().__init__(sentence)
        self.status, self.again_seconds = status, again_seconds

    @property
    def for_all_ways(self) -> bool:
        """Tell whether the server would say the same by whatever way one comes."""
        return self.status in FOR_ALL_WAYS


class WebSocket:
    """``heard`` is called with each text, ``lost`` once with why it ended."""

    def __init__(self, wire: Wire) -> None:
        self.heard: Callable[[str], None] = lambda _text: None
        self.lost: Callable[[str], None] = lambda _why: None
        self._wire = wire
        self._protocol = WSConnection(ConnectionType.CLIENT)
        self._opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._declined: RejectConnection | None = None
        self._parts: list[str] = []
        self._length = 0
        self._over = False
        wire.listen(self._receive, self._ended)

    async def open(self, where: Address) -> None:
        """Raises Unreachable, Declined."""
        self._wire.write(self._protocol.send(Request(host=where.authority, target=PATH)))
        await self._opened

    def send(self, text: str) -> None:
        if not self._over:
            self._wire.write(self._protocol.send(TextMessage(data=text)))

    def close(self, why: str = "this machine ended the link") -> None:
        """Say farewell, and end it without waiting for the other side's."""
        if self._over:
            return
        if self._opened.done() and not self._opened.cancelled() and self._opened.exception() is None:
            self._wire.write(self._protocol.send(CloseConnection(code=1000)))
        self._over = True
        self._wire.fail(why)

    def _receive(self, data: bytes) -> None:
        try:
            self._protocol.receive_data(data)
            for event in self._protocol.events():
                if self._over:
                    return
                self._happened(event)
        except RemoteProtocolError as error:
            self._wire.fail(f"the wake server speaks no WebSocket ({error})")

    def _happened(self, event: object) -> None:
        if isinstance(event, AcceptConnection):
            self._opened.set_result(None)
        elif isinstance(event, RejectConnection):
            self._decline(event.status_code, dict(event.headers))
        elif isinstance(event, RejectData):
            return
        elif isinstance(event, Message):
            self._message(event)
        elif isinstance(event, Ping):
            self._wire.write(self._protocol.send(event.response()))
        elif isinstance(event, CloseConnection):
            self._wire.write(self._protocol.send(event.response()))
            self._wire.fail(event.reason or f"the wake server ended the link (code {event.code})")

    def _decline(self, status: int, headers: dict[bytes, bytes]) -> None:
        again = headers.get(b"retry-after", b"")
        if not self._opened.done():
            self._opened.set_exception(
                Declined(
                    f"there is no WebSocket (status {status})", status, float(again) if again[:6].isdigit() else 0.0
                )
            )
        self._wire.close()

    def _message(self, event: Message[Any]) -> None:
        if isinstance(event, BytesMessage) or not isinstance(event.data, str):
            return
        self._parts.append(event.data)
        self._length += len(event.data)
        if self._length > envelope.MOST_BYTES:
            self._wire.write(self._protocol.send(CloseConnection(code=TOO_LONG)))
            self._wire.fail("the wake server sent a message that is too long")
        elif event.message_finished:
            text, self._parts, self._length = "".join(self._parts), [], 0
            self.heard(text)

    def _ended(self, why: str) -> None:
        self._over = True
        if not self._opened.done():
            self._opened.set_exception(Unreachable(why))
        self.lost(why)


async def open_websocket(where: Address, trust: Trust | None, seconds: float) -> WebSocket:
    """Return an open WebSocket. Raises Unreachable, Declined."""
    wire = await connect(where, trust, seconds)
    made = WebSocket(wire)
    try:
        await asyncio.wait_for(made.open(where), seconds)
    except asyncio.TimeoutError:
        raise Declined(f"no answer to the request for a WebSocket within {seconds:g} s", 0) from None
    finally:
        if not made._opened.done() or made._opened.cancelled() or made._opened.exception() is not None:
            wire.close()
    return made
