# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON in and out, and errors that no handler answered."""

from __future__ import annotations

import asyncio
import json
import logging
from http import HTTPStatus
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from powernap.shared.errors import PowernapError
from powernap.wake.api.problems import KINDS, TooLong, explain, kind_of, problem
from powernap.wake.api.route import MOST_BYTES, Handler
from powernap.wake.registration import BadBody

_BODY_SECONDS = 10
_BYTES_A_SECOND = 1024 * 1024
_log = logging.getLogger(__name__)


def status_of(error: PowernapError) -> int:
    return KINDS[kind_of(error)].status


def encode(content: dict[str, Any]) -> bytes:
    return json.dumps(content).encode() + b"\n"


def answer(content: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(body=encode(content), status=status, content_type="application/json", headers=headers)


async def read_body(request: web.Request, most: int = MOST_BYTES) -> bytes:
    """At most so many bytes, within a bounded time. Raises BadBody, TooLong."""
    encoding = request.headers.get("Content-Encoding", "identity")
    if encoding.lower() != "identity":  # a few bytes could stand for any number
        raise BadBody(f"Content-Encoding: {encoding[:40]!r} is not understood: send the body as it is")
    too_long = TooLong(f"the body is longer than {most} bytes: send less")
    if (request.content_length or 0) > most:
        raise too_long
    seconds = _BODY_SECONDS + most / _BYTES_A_SECOND
    try:
        reading = _read(request, most)
        # A short body comes with its head: then there is nothing to wait for, which would cost a task and a timer.
        body = await (reading if request.content.is_eof() else asyncio.wait_for(reading, seconds))
    except asyncio.TimeoutError:
        raise BadBody(f"the body did not arrive within {seconds:.0f} s: send it at once") from None
    except (web.RequestPayloadError, HttpProcessingError):
        raise BadBody("the body is cut off: send it whole") from None
    if len(body) > most:
        raise too_long
    return body


async def _read(request: web.Request, most: int) -> bytes:
    parts, size = [], 0
    while size <= most:
        part = await request.content.readany()
        if not part:
            break
        parts.append(part)
        size += len(part)
    return b"".join(parts)


@web.middleware
async def explain_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except PowernapError as error:
        return explain(error)
    except web.HTTPNotFound:
        return problem(
            "not-found", f"{request.path}: there is no such resource: /api/v1/openapi.json has those that there are"
        )
    except web.HTTPMethodNotAllowed as error:
        allowed = ", ".join(sorted(error.allowed_methods))
        sentence = f"{request.path}: {request.method} is not possible here: use {allowed}"
        return problem("bad-method", sentence, {"Allow": allowed})
    except web.HTTPExpectationFailed:
        return problem("bad-expectation", "Expect: only 100-continue is known: leave the header out")
    except web.HTTPBadRequest as error:  # no WebSocket, where one is wanted
        return problem("bad-request", " ".join((error.text or error.reason).split()))
    except web.HTTPException as error:
        _log.warning("%s %s: answered with %s", request.method, request.path, HTTPStatus(error.status).phrase)
        raise
    except Exception:  # noqa: BLE001  a fault of one handler must not look like a fault of the client
        _log.exception("%s %s failed", request.method, request.path)
        return problem("fault", "powerwaked failed to handle this request: see its journal and report a bug")
