# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages one by one, each a POST: for where no WebSocket gets through."""

from __future__ import annotations

import asyncio

from aiohttp import web

from powernap.wake.api.answers import answer, read_body
from powernap.wake.link.entrance import Entrance
from powernap.wake.link.hub import Hub, Stranger
from powernap.wake.link.websocket import address_of


class PostPeer:
    """Answers are returned; nothing can be sent by it."""

    transport = "post"
    lasts = False

    def __init__(self, address: str) -> None:
        self.address = address
        self.closed = False

    def send(self, text: str) -> None:
        raise NotImplementedError

    def close(self, why: str) -> None:
        self.closed = True

    async def pause(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


async def take(hub: Hub, entrance: Entrance, request: web.Request) -> web.Response:
    """Raises BadBody, BadMessage, RegistryError."""
    text = await read_body(request)
    peer = PostPeer(address_of(request))
    try:
        answered = await hub.receive(peer, text)
    except Stranger as error:
        response = answer({"error": str(error)}, 401)
        response.force_close()
        return response
    if not peer.closed:
        entrance.prolong(request.transport)
    return web.Response(text=f"{answered or ''}\n")
