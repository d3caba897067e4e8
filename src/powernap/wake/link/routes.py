# SPDX-License-Identifier: GPL-3.0-or-later
"""Where hosts come in. What they say is signed, and the hub sees to that."""

from __future__ import annotations

from aiohttp import web

from powernap.wake.api.route import Route
from powernap.wake.link import posting, websocket
from powernap.wake.refusals import Unknown
from powernap.wake.service import Service

_TEXT = {"type": "string", "description": "one signed message a line, as docs/protocol.md has it"}


def routes(service: Service) -> list[Route]:
    async def link(request: web.Request) -> web.StreamResponse:
        return await websocket.serve(service.hub, service.entrance, request)

    async def messages(request: web.Request) -> web.StreamResponse:
        return await posting.take(service.hub, service.entrance, request)

    async def authority(request: web.Request) -> web.StreamResponse:
        if not service.authority:
            raise Unknown('there is no authority: this wake server has listen.tls = "off"')
        return web.Response(text=service.authority, content_type="application/x-pem-file")

    return [
        Route(
            "GET",
            "/api/v1/link",
            link,
            "host",
            "The link of a host: a WebSocket, each frame of text one signed message",
            _TEXT,
            status=101,
            media="text/plain",
            streams=True,
        ),
        Route(
            "POST",
            "/api/v1/messages",
            messages,
            "host",
            "One signed message of a host; the answer is the wake server's",
            _TEXT,
            media="text/plain",
        ),
        Route(
            "GET",
            "/api/v1/ca",
            authority,
            "public",
            "The authority that signed this server's certificate; compare its fingerprint before you believe it",
            {"type": "string", "description": "a certificate in PEM"},
            media="application/x-pem-file",
        ),
    ]
