# SPDX-License-Identifier: GPL-3.0-or-later
"""What administrators call, by a Unix socket that only root may use."""

from __future__ import annotations

import json

from aiohttp import web

from powernap import __version__
from powernap.wake.api.answers import answer, application, read_body
from powernap.wake.refusals import Unknown
from powernap.wake.registration import BadBody, is_number, parse_object
from powernap.wake.registry import Record
from powernap.wake.service import Service

_LONGEST_NAME = 253
_LONGEST_WAIT = 3600
_MOST_WAKES = 50


def admin_api(service: Service) -> web.Application:
    handlers = _Handlers(service)
    app = application()
    app.router.add_get("/v1/status", handlers.status)
    app.router.add_get("/v1/events", handlers.events)
    app.router.add_get("/v1/hosts", handlers.hosts)
    app.router.add_get("/v1/hosts/{name}", handlers.host)
    app.router.add_get("/v1/hosts/{name}/key", handlers.key)
    app.router.add_put("/v1/hosts/{name}", handlers.enrol)
    app.router.add_delete("/v1/hosts/{name}", handlers.forget)
    app.router.add_post("/v1/wake", handlers.wake)
    app.router.add_get("/v1/hosts/{name}/wakes", handlers.host_wakes)
    app.router.add_get("/v1/wakes", handlers.wakes)
    app.router.add_get("/v1/criers", handlers.criers)
    app.router.add_post("/v1/pardon", handlers.pardon)
    return app


class _Handlers:
    def __init__(self, service: Service) -> None:
        self._service = service

    async def status(self, request: web.Request) -> web.Response:
        return answer(self._service.status(__version__))

    async def events(self, request: web.Request) -> web.Response:
        text = request.query.get("since", "0")
        if not text.isascii() or not text.isdigit():
            raise BadBody(f"since: {text!r} is no number: give the 'next' of the last answer")
        return answer(self._service.engine.log.since(int(text)))

    async def hosts(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json; charset=utf-8"})
        await response.prepare(request)
        begun = False
        await response.write(b'{"hosts": [')
        for page in self._service.hosts():
            text = json.dumps(page)[1:-1].encode()
            await response.write(b", " + text if begun else text)
            begun = True
        await response.write(b"]}\n")
        return response

    async def host(self, request: web.Request) -> web.Response:
        record = self._record(request)
        return answer(self._service.describe(record, self._service.engine.roster.peek(record.name)))

    async def host_wakes(self, request: web.Request) -> web.Response:
        return answer({"wakes": self._service.wakes(request.match_info["name"])})

    async def wakes(self, request: web.Request) -> web.Response:
        return answer({"wakes": self._service.engine.wakes.stories.last(_MOST_WAKES)})

    async def key(self, request: web.Request) -> web.Response:
        return answer({"key": self._record(request).key})

    async def enrol(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if len(name) > _LONGEST_NAME or not name.isprintable() or "/" in name or " " in name:
            raise BadBody(f"{name[:40]!r} is no host name: give one without spaces and slashes")
        changed, record, host = await self._service.enrolment.enrol(name, parse_object(await read_body(request)))
        return answer({"changed": changed, "host": self._service.describe(record, host), "key": record.key})

    async def forget(self, request: web.Request) -> web.Response:
        return answer({"changed": await self._service.enrolment.forget(request.match_info["name"])})

    async def wake(self, request: web.Request) -> web.Response:
        data = parse_object(await read_body(request))
        target, asked_by = data.get("target"), data.get("asked_by", "administrator")
        if not isinstance(target, str) or not target or not isinstance(asked_by, str):
            raise BadBody("target: give the name, MAC or IP address of a registered host")
        timeout = data.get("timeout_seconds", self._service.config.wake.resume_timeout_seconds)
        if not is_number(timeout) or not 0 < timeout <= _LONGEST_WAIT:
            raise BadBody(f"timeout_seconds: {timeout!r} is no time to wait: give up to {_LONGEST_WAIT} seconds")
        return answer(await self._service.orders.wake(target, asked_by, float(timeout)))

    async def criers(self, request: web.Request) -> web.Response:
        return answer(self._service.criers.report())

    async def pardon(self, request: web.Request) -> web.Response:
        data = parse_object(await read_body(request))
        source, by = data.get("source"), data.get("by", "")
        if not isinstance(source, str) or not source or not isinstance(by, str):
            raise BadBody("source: give the IP or MAC address of a source that 'powerwake criers' shows")
        pardoned = self._service.criers.pardon(source, by)
        if not pardoned:
            raise Unknown(f"{source} {by}".rstrip() + ": has woken nobody: 'powerwake criers' shows who has")
        for who in pardoned:
            self._service.engine.note("", "pardoned", who)
        return answer({"pardoned": pardoned})

    def _record(self, request: web.Request) -> Record:
        return self._service.record(request.match_info["name"])
