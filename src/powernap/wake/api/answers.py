# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON in and out, and errors as one sentence each."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from powernap.shared.errors import PowernapError
from powernap.wake.refusals import Conflict, NotWoken, Unknown
from powernap.wake.registration import BadBody, NoSegment
from powernap.wake.registry import RegistryError

MOST_BYTES = 64 * 1024
_BODY_SECONDS = 10
_STATUS: dict[type[PowernapError], int] = {
    BadBody: 400,
    Unknown: 404,
    NoSegment: 409,
    Conflict: 409,
    RegistryError: 503,
    NotWoken: 504,
}
_log = logging.getLogger(__name__)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def status_of(error: PowernapError) -> int:
    return _STATUS.get(type(error), 400)


def encode(content: dict[str, Any]) -> bytes:
    return json.dumps(content).encode() + b"\n"


def answer(content: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(body=encode(content), status=status, content_type="application/json", headers=headers)


async def read_body(request: web.Request) -> bytes:
    """At most MOST_BYTES, within a bounded time. Raises BadBody."""
    try:
        if request.content.is_eof():
            return await request.read()
        return await asyncio.wait_for(request.read(), _BODY_SECONDS)
    except asyncio.TimeoutError:
        raise BadBody(f"the body did not arrive within {_BODY_SECONDS} s: send it at once") from None
    except web.HTTPRequestEntityTooLarge:
        raise BadBody(f"the body is longer than {MOST_BYTES} bytes: send less") from None


@web.middleware
async def explain_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except PowernapError as error:
        return answer({"error": str(error)}, status_of(error))
    except web.HTTPNotFound:
        return answer({"error": f"{request.path}: there is no such resource: see the API's documentation"}, 404)
    except web.HTTPMethodNotAllowed as error:
        allowed = ", ".join(sorted(error.allowed_methods))
        return answer({"error": f"{request.path}: {request.method} is not possible here: use {allowed}"}, 405)
    except web.HTTPException:
        raise
    except Exception:  # noqa: BLE001  a fault of one handler must not look like a fault of the client
        _log.exception("%s %s failed", request.method, request.path)
        return answer({"error": "powerwaked failed to handle this request: see its journal and report a bug"}, 500)


def application() -> web.Application:
    return web.Application(middlewares=[explain_errors], client_max_size=MOST_BYTES)
