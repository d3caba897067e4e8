# SPDX-License-Identifier: GPL-3.0-or-later
"""The channel as single requests: a message is the body, what the wake server says to it the answer, one a line."""

from __future__ import annotations

import asyncio
import json

import h11

from powernap.nap.link.trust import Trust
from powernap.nap.link.websocket import Declined
from powernap.nap.link.wire import Address, Unreachable, Wire, connect
from powernap.shared import envelope

PATH = "/api/v1/messages"
LONGEST_ANSWER = 4 * envelope.MOST_BYTES


async def post(where: Address, trust: Trust | None, seconds: float, text: str) -> list[str]:
    """Return what is answered. Raises Unreachable, Declined."""
    wire = await connect(where, trust, seconds)
    try:
        status, again, body = await asyncio.wait_for(_exchange(wire, where, text), seconds)
    except asyncio.TimeoutError:
        raise Unreachable("no answer in time") from None
    except (h11.RemoteProtocolError, ValueError) as error:
        raise Unreachable(f"it speaks no HTTP ({error})") from error
    finally:
        wire.close()
    lines = [line.decode("utf-8", "replace") for line in body.splitlines() if line]
    if status != 200 and not (lines and _signed(lines[0])):
        raise Declined(_sentence(status, body), status, again)
    return lines


async def _exchange(wire: Wire, where: Address, text: str) -> tuple[int, float, bytes]:
    over: asyncio.Future[tuple[int, float, bytes]] = asyncio.get_running_loop().create_future()
    protocol = h11.Connection(h11.CLIENT)
    status, again, body = 0, 0.0, bytearray()

    def heard(data: bytes) -> None:
        nonlocal status, again
        if over.done():
            return
        try:
            protocol.receive_data(data)
            while (event := protocol.next_event()) not in (h11.NEED_DATA, h11.PAUSED):
                if isinstance(event, h11.Response):
                    status = event.status_code
                    after = dict(event.headers.raw_items()).get(b"Retry-After", b"")
                    again = float(after) if after[:6].isdigit() else 0.0
                elif isinstance(event, h11.Data):
                    body.extend(event.data)
                elif isinstance(event, h11.EndOfMessage):
                    over.set_result((status, again, bytes(body)))
                    return
                elif isinstance(event, h11.ConnectionClosed):
                    break
                if len(body) > LONGEST_ANSWER:
                    raise ValueError("its answer is too long")
        except (h11.RemoteProtocolError, ValueError) as error:
            over.set_exception(error)

    def lost(why: str) -> None:
        if status:
            heard(b"")  # an answer may end with the connection
        if not over.done():
            over.set_exception(Unreachable(why))

    wire.listen(heard, lost)
    data = text.encode()
    headers = [("Host", where.authority), ("Content-Type", "text/plain"), ("Content-Length", str(len(data)))]
    request = h11.Request(method="POST", target=PATH, headers=[*headers, ("Connection", "close")])
    for event in (request, h11.Data(data=data), h11.EndOfMessage()):
        wire.write(protocol.send(event) or b"")
    return await over


def _signed(line: str) -> bool:
    return len(line) > 65 and line[64] == " "


def _sentence(status: int, body: bytes) -> str:
    """Return what the server says in words: problem+json (RFC 9457), or "error"."""
    try:
        content = json.loads(body)
    except ValueError:
        content = None
    if isinstance(content, dict):
        for key in ("detail", "error", "title"):
            if isinstance(content.get(key), str):
                return str(content[key])[:500]
    return f"it answered with status {status}"
