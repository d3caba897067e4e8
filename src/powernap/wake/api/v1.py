# SPDX-License-Identifier: GPL-3.0-or-later
"""Every resource of /api/v1. A package that has some offers `routes(service)`, and has one line here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aiohttp import web

from powernap import __version__
from powernap.wake.api import keyring, metrics, openapi, records, server, stream, waking
from powernap.wake.api.answers import answer
from powernap.wake.api.route import Route, Schema
from powernap.wake.enrol import routes as enrolment
from powernap.wake.link import routes as link
from powernap.wake.orders import routes as orders
from powernap.wake.service import Service

PACKAGES: tuple[Callable[[Service], list[Route]], ...] = (
    server.routes,
    records.routes,
    waking.routes,
    orders.routes,
    keyring.routes,
    stream.routes,
    metrics.routes,
    enrolment.routes,
    link.routes,
)
_DOCUMENT: Schema = {"type": "object", "required": ["openapi", "info", "paths"]}


def routes(service: Service) -> list[Route]:
    found = [route for package in PACKAGES for route in package(service)]
    made: dict[str, Any] = {}

    async def document(request: web.Request) -> web.Response:
        if not made:
            made.update(openapi.document(found, __version__))
        return answer(made)

    summary = "This API as OpenAPI 3.1 describes it"
    found.append(Route("GET", "/api/v1/openapi.json", document, "public", summary, _DOCUMENT))
    return found
