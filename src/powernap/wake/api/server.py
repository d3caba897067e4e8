# SPDX-License-Identifier: GPL-3.0-or-later
"""The wake server itself: status, health, events, and what the API is."""

from __future__ import annotations

import asyncio
import time

from aiohttp import web

from powernap import __version__
from powernap.wake.api.answers import answer
from powernap.wake.api.problems import KINDS
from powernap.wake.api.route import Parameter, Route, Schema
from powernap.wake.api.schemas import (
    CONDITIONS,
    COUNT,
    COUNTS,
    EVENT,
    FLAG,
    STATES,
    TEXT,
    TEXTS,
    TIME,
    listed,
    or_null,
    thing,
)
from powernap.wake.registry import RegistryError
from powernap.wake.service import Service

_LOOKED_SECONDS = 5.0
_WRITE_SECONDS = 5.0
_CARD: Schema = thing(
    name=TEXT,
    mac=TEXT,
    up=FLAG,
    addresses=TEXTS,
    packet_path=TEXT,
    frames=COUNT,
    dropped=COUNTS,
    unsent=COUNT,
)
_BROKER: Schema = thing(
    protocol=TEXT,
    address=TEXT,
    connected=FLAG,
    since=or_null(TIME),
    trouble=TEXT,
    hosts=COUNT,
    connections=COUNT,
    received=COUNT,
    sent=COUNT,
    refused=COUNT,
    dropped=COUNT,
)
STATUS: Schema = thing(
    version=TEXT,
    started_at=TIME,
    registry=TEXT,
    warnings=TEXTS,
    hosts=COUNT,
    states=thing(**dict.fromkeys(CONDITIONS, COUNT)),
    wake_states=thing(**dict.fromkeys(STATES, COUNT)),
    held_frames=COUNT,
    released_frames=COUNT,
    waiting_for_turn=COUNT,
    alerts_dropped=COUNT,
    links=COUNT,
    pending=COUNT,
    ca_fingerprint=TEXT,
    discovery=thing(publishes=TEXT, browses=TEXT, trouble=TEXT),
    brokers=listed(_BROKER),
    presence_questions=COUNT,
    interfaces=listed(_CARD),
    packet_path=thing(name=TEXT, acts=FLAG, counters=COUNTS, sleepers_taken_up=FLAG),
)
_CHECK: Schema = thing(ok=FLAG, why=TEXT)
_HEALTH: Schema = thing(
    status={"type": "string", "enum": ["ok", "failing"]},
    checks=thing(registry=_CHECK, packet_path=_CHECK, sleepers_taken_up=_CHECK),
)
_SINCE = Parameter(
    "since",
    {"type": "integer", "minimum": 0, "maximum": 2**53, "description": "the `next` of the last answer"},
    "`next` of the last answer; default: 0",
)


def routes(service: Service) -> list[Route]:
    do = _Handlers(service)
    return [
        Route("GET", "/api/v1/status", do.status, "viewer", "The wake server, its interfaces and its counts", STATUS),
        Route(
            "GET",
            "/api/v1/events",
            do.events,
            "viewer",
            "The last events (1000 are kept) after number `since`",
            thing(events=listed(EVENT), next=COUNT),
            parameters=(_SINCE,),
            description="Numbers begin anew with each start of powerwaked: `next` is then less than `since`.",
        ),
        Route(
            "GET",
            "/api/v1/health",
            do.health,
            "public",
            "Whether it can do its work, for load balancers and watchdogs",
            _HEALTH,
            also={503: _HEALTH},
            parameters=(
                Parameter(
                    "only",
                    {"type": "string", "enum": ["live", "ready"]},
                    "live: whether it works at all; ready (default): whether it has also taken up all that sleep",
                ),
            ),
        ),
        Route(
            "GET",
            "/api/v1/problems",
            do.problems,
            "public",
            "The kinds of problem that an answer may be",
            {"type": "object", "additionalProperties": thing(status={"type": "integer"}, title=TEXT)},
        ),
    ]


class _Handlers:
    def __init__(self, service: Service) -> None:
        self._service = service
        self._written = (-_LOOKED_SECONDS, "")

    async def status(self, request: web.Request) -> web.Response:
        return answer(self._service.status(__version__))

    async def events(self, request: web.Request) -> web.Response:
        return answer(self._service.engine.log.since(request["parameters"].get("since", 0)))

    async def problems(self, request: web.Request) -> web.Response:
        return answer({name: kind._asdict() for name, kind in KINDS.items()})

    async def health(self, request: web.Request) -> web.Response:
        ready = request["parameters"].get("only", "ready") == "ready"
        registry = await self._registry_trouble()
        path = "" if self._service.engine.segments else "no Ethernet interface is up: no machine can register"
        waits = "" if self._service.taken_up else "not all that slept at the start have been taken up again: wait"
        checks = {"registry": registry, "packet_path": path, "sleepers_taken_up": waits}
        ok = not (registry or path or (ready and waits))
        told = {name: {"ok": not why, "why": why} for name, why in checks.items()}
        return answer({"status": "ok" if ok else "failing", "checks": told}, 200 if ok else 503)

    async def _registry_trouble(self) -> str:
        """Why it cannot be written, tried out; looked at again after some seconds, for everybody may ask."""
        at, why = self._written
        if time.monotonic() - at < _LOOKED_SECONDS:
            return why
        self._written = (time.monotonic(), why)
        try:
            await asyncio.wait_for(self._service.try_registry(), _WRITE_SECONDS)
            why = ""
        except RegistryError as error:
            why = str(error)
        except asyncio.TimeoutError:
            why = f"a change is not on disk after {_WRITE_SECONDS:.0f} s: look at the disk that has the registry"
        self._written = (time.monotonic(), why)
        return why
