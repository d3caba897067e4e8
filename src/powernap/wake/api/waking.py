# SPDX-License-Identifier: GPL-3.0-or-later
"""Wakes: order one, read their stories, and who wakes for nothing."""

from __future__ import annotations

from aiohttp import web

from powernap.wake.api.answers import answer
from powernap.wake.api.route import Route
from powernap.wake.api.schemas import (
    COUNT,
    FLAG,
    NAME,
    NUMBER,
    PRINTABLE,
    STORIES,
    TEXT,
    TEXTS,
    TIME,
    limit,
    listed,
    or_null,
    thing,
)
from powernap.wake.refusals import Unknown
from powernap.wake.service import Service

_LONGEST_WAIT = 3600
_MOST_WAKES, _DEFAULT_WAKES = 1000, 50
_CRIER = thing(
    source=TEXT,
    mac=TEXT,
    by=TEXT,
    host=TEXT,
    last=TIME,
    wakes=COUNT,
    false=COUNT,
    unknown=COUNT,
    demoted_until=or_null(TIME),
    reason=TEXT,
)
_REFUSED = thing(source=TEXT, by=TEXT, reason=TEXT, count=COUNT, host=TEXT, last=TIME)
_TARGET = {
    "type": "string",
    "minLength": 1,
    "maxLength": 253,
    "description": "the name, MAC or IP address of a registered host",
}
_WAKE_BODY = {
    "type": "object",
    "properties": {
        "target": _TARGET,
        "timeout_seconds": {
            "type": "number",
            "minimum": 0.001,
            "maximum": _LONGEST_WAIT,
            "description": f"how long to wait for the host: up to {_LONGEST_WAIT} seconds",
        },
        "asked_by": {
            "type": "string",
            "maxLength": 200,
            "pattern": PRINTABLE,
            "description": "who wants it, for people to read, in one line",
        },
    },
    "required": ["target"],
    "additionalProperties": False,
}
_PARDON_BODY = {
    "type": "object",
    "properties": {
        "source": {
            "type": "string",
            "minLength": 1,
            "maxLength": 64,
            "description": "the IP or MAC address of a source that 'powerwake criers' shows",
        },
        "by": {"type": "string", "maxLength": 64, "description": "only one thing by which it wakes, such as tcp/22"},
    },
    "required": ["source"],
    "additionalProperties": False,
}


def routes(service: Service) -> list[Route]:
    do = _Handlers(service)
    return [
        Route(
            "POST",
            "/api/v1/wake",
            do.wake,
            "operator",
            "Wake a host, and wait until it is awake",
            thing(name=TEXT, was=TEXT, state=TEXT, changed=FLAG, seconds=NUMBER, magic_packets=COUNT),
            body=_WAKE_BODY,
            problems=("not-found", "not-woken"),
        ),
        Route(
            "GET",
            "/api/v1/wakes",
            do.wakes,
            "viewer",
            "The stories of the last wakes of all hosts, the newest first",
            STORIES,
            parameters=(limit(_MOST_WAKES, _DEFAULT_WAKES),),
        ),
        Route(
            "GET",
            "/api/v1/hosts/{name}/wakes",
            do.host_wakes,
            "viewer",
            "The stories of the last wakes of a host, the newest first",
            STORIES,
            parameters=(NAME,),
        ),
        Route(
            "GET",
            "/api/v1/criers",
            do.criers,
            "viewer",
            "Who wakes hosts for nothing, and whose demand was ignored",
            thing(criers=listed(_CRIER), refused=listed(_REFUSED)),
        ),
        Route(
            "POST",
            "/api/v1/pardon",
            do.pardon,
            "operator",
            "Believe a source again",
            thing(pardoned=TEXTS),
            body=_PARDON_BODY,
            problems=("not-found",),
        ),
    ]


class _Handlers:
    def __init__(self, service: Service) -> None:
        self._service = service

    async def wake(self, request: web.Request) -> web.Response:
        body = request["body"]
        asked_by = body.get("asked_by") or request["caller"].name
        timeout = float(body.get("timeout_seconds", self._service.config.wake.resume_timeout_seconds))
        return answer(await self._service.orders.wake(body["target"], asked_by, timeout))

    async def wakes(self, request: web.Request) -> web.Response:
        most = request["parameters"].get("limit", _DEFAULT_WAKES)
        return answer({"wakes": self._service.engine.wakes.stories.last(most)})

    async def host_wakes(self, request: web.Request) -> web.Response:
        return answer({"wakes": self._service.wakes(request.match_info["name"])})

    async def criers(self, request: web.Request) -> web.Response:
        return answer(self._service.criers.report())

    async def pardon(self, request: web.Request) -> web.Response:
        source, by = request["body"]["source"], request["body"].get("by", "")
        pardoned = self._service.criers.pardon(source, by)
        if not pardoned:
            raise Unknown(f"{source} {by}".rstrip() + ": has woken nobody: 'powerwake criers' shows who has")
        for who in pardoned:
            self._service.engine.note("", "pardoned", who)
        return answer({"pardoned": pardoned})
