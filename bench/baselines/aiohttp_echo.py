# SPDX-License-Identifier: GPL-3.0-or-later
"""The least that a server made with aiohttp can do with a message: TLS, and the same text back.

python -m bench.baselines.aiohttp_echo ADDRESS PORT CERTIFICATE: WebSocket at /api/v1/link, POST at /api/v1/messages.
Nothing is checked, believed, kept or done.
"""

from __future__ import annotations

import ssl
import sys

from aiohttp import web


async def link(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse(compress=False)
    await socket.prepare(request)
    async for message in socket:
        await socket.send_str(message.data)
    return socket


async def messages(request: web.Request) -> web.Response:
    return web.Response(text=await request.text())


def main() -> None:
    address, port, certificate = sys.argv[1:]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    app = web.Application()
    app.add_routes([web.get("/api/v1/link", link), web.post("/api/v1/messages", messages)])
    web.run_app(
        app,
        host=address,
        port=int(port),
        ssl_context=context,
        access_log=None,
        backlog=4096,
        print=lambda *_said: print("ready", flush=True),
    )


if __name__ == "__main__":
    main()
