# SPDX-License-Identifier: GPL-3.0-or-later
"""The one application that powerwaked serves, by TCP and by its Unix socket."""

from __future__ import annotations

import logging

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from powernap.wake.api import v1
from powernap.wake.api.answers import explain_errors
from powernap.wake.api.door import Door
from powernap.wake.api.route import MOST_BYTES
from powernap.wake.service import Service


def _is_worth_a_line(record: logging.LogRecord) -> bool:
    """What is no HTTP is answered with 400, and anybody may send it: not worth a traceback each time."""
    return record.exc_info is None or not isinstance(record.exc_info[1], (HttpProcessingError, web.RequestPayloadError))


def _is_no_late_write(record: logging.LogRecord) -> bool:
    """asyncio says so of each answer to somebody who is gone or was cut off, such as one who sends many requests."""
    return record.msg not in ("socket.send() raised exception.", "SSL connection is closed")


def application(service: Service) -> web.Application:
    logging.getLogger("aiohttp.server").addFilter(_is_worth_a_line)
    logging.getLogger("asyncio").addFilter(_is_no_late_write)
    app = web.Application(middlewares=[explain_errors], client_max_size=MOST_BYTES)
    for route in v1.routes(service):
        door = Door(route, service)
        app.router.add_route(route.method, route.path, door.handle)
        if route.method == "GET" and not route.streams:
            app.router.add_route("HEAD", route.path, door.handle)  # as load balancers look
    return app
