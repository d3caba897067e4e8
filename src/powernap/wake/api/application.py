# SPDX-License-Identifier: GPL-3.0-or-later
"""The one application that powerwaked serves, by TCP and by its Unix socket."""

from __future__ import annotations

from aiohttp import web

from powernap.wake.api import v1
from powernap.wake.api.answers import explain_errors
from powernap.wake.api.door import Door
from powernap.wake.api.hosts import add_host_routes
from powernap.wake.api.route import MOST_BYTES
from powernap.wake.service import Service


def application(service: Service) -> web.Application:
    app = web.Application(middlewares=[explain_errors], client_max_size=MOST_BYTES)
    for route in v1.routes(service):
        door = Door(route, service)
        app.router.add_route(route.method, route.path, door.handle)
        if route.method == "GET" and not route.streams:
            app.router.add_route("HEAD", route.path, door.handle)  # as load balancers look
    add_host_routes(app, service)
    return app
