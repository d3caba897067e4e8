# SPDX-License-Identifier: GPL-3.0-or-later
"""Through it every request of /api/v1 goes: who may, with what, and what is noted of it."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from aiohttp import web

from powernap.shared.errors import PowernapError
from powernap.wake.access.audit import Entry
from powernap.wake.api import check
from powernap.wake.api.answers import explain_errors, read_body, status_of
from powernap.wake.api.caller import Caller, identify, require
from powernap.wake.api.route import MOST_BYTES, Route, Schema
from powernap.wake.service import Service

_LONGEST_NOTED = 500
_LEFT = 499  # as nginx says where the client left


class Door:
    """The handler of one route. What it has read is the request's: "caller", "parameters" and "body".

    The route's own handler may leave an "outcome" there, for the audit log.
    """

    def __init__(self, route: Route, service: Service) -> None:
        self.route = route
        self._service = service
        self._in_path = {each.name: each.schema for each in route.parameters if each.place == "path"}

    async def handle(self, request: web.Request) -> web.StreamResponse:
        status = 500
        try:
            response = await explain_errors(request, self._pass)
            status = response.status
        except web.HTTPException as error:
            status = error.status
            raise
        except asyncio.CancelledError:
            status = _LEFT
            raise
        finally:
            self._service.figures.requests[self.route.method, self.route.path, str(status)] += 1
        return response

    async def _pass(self, request: web.Request) -> web.StreamResponse:
        if self.route.role in ("public", "host"):
            return await self._act(request, None, None)
        access = self._service.access
        caller = identify(request, access)
        request["caller"] = caller
        self._service.entrance.prove(request.transport)
        if caller.token is not None:
            access.tokens.used(caller.token)
        if not self.route.is_audited:
            return await self._act(request, caller, None)
        path = request.raw_path[:_LONGEST_NOTED]
        entry = Entry(time.time(), caller.name, caller.role, caller.address, request.method, path, "")
        status, outcome = 500, "failed: see the journal"
        try:
            response = await self._act(request, caller, entry)
            status, outcome = response.status, request.get("outcome", "done")
        except PowernapError as error:
            status, outcome = status_of(error), str(error)
            raise
        except asyncio.CancelledError:
            status, outcome = _LEFT, "whoever asked left"
            raise
        finally:
            access.audit.end(entry, status, outcome)
        return response

    async def _act(self, request: web.Request, caller: Caller | None, entry: Entry | None) -> web.StreamResponse:
        if caller is not None:
            require(caller, self.route.role)
        for name, schema in self._in_path.items():
            check.check(request.match_info[name], schema, name)
        request["parameters"] = check.parameters(request.query, self.route.parameters)
        if self.route.body is not None:
            body = await read_body(request, self.route.most_bytes)
            if entry is not None:
                entry.body = body[:_LONGEST_NOTED].decode("utf-8", "replace")
            request["body"] = await self._parsed(body, self.route.body)
        if entry is not None:
            self._service.access.audit.begin(entry)
        return await self.route.handler(request)

    @staticmethod
    async def _parsed(body: bytes, schema: Schema) -> Any:
        """A long one is read beside the event loop: frames do not wait for it. Raises BadBody."""
        if len(body) <= MOST_BYTES:
            return check.parse(body, schema)
        return await asyncio.get_running_loop().run_in_executor(None, check.parse, body, schema)
