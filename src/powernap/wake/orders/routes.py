# SPDX-License-Identifier: GPL-3.0-or-later
"""Orders over the API: give one, follow it, cancel it; naps of a host, and the mark of a canary that failed."""

from __future__ import annotations

from aiohttp import web

from powernap.wake.api.answers import answer
from powernap.wake.api.route import Parameter, Route, Schema
from powernap.wake.api.schemas import (
    CHANGED,
    COUNT,
    COUNTS,
    FLAG,
    NAME,
    NAP,
    NUMBER,
    TEXT,
    TIME,
    listed,
    or_null,
    thing,
)
from powernap.wake.orders.order import Order, Outcome
from powernap.wake.orders.request import MOST_HOSTS, VERBS, parse_request
from powernap.wake.presence import Condition
from powernap.wake.service import Service

_LONGEST = 253
_BODY_BYTES = 4 * 1024 * 1024
_STATES = [condition.value for condition in Condition]
_ANYTHING: Schema = {"type": "object"}
_SECONDS: Schema = {"type": "number", "minimum": 0.001, "maximum": 3600}
_LONGEST_WAIT = 60
_WORD: Schema = {"type": "string", "minLength": 1, "maxLength": _LONGEST}
_BODY: Schema = {
    "type": "object",
    "properties": {
        "verb": {"type": "string", "enum": [*VERBS]},
        "arguments": {
            "type": "object",
            "description": "nap: action; inhibit: seconds, reason; release: reason, id; profile: name; canary: seconds",
        },
        "hosts": {"type": "array", "items": _WORD, "maxItems": MOST_HOSTS, "description": "a list of names"},
        "group": {"type": "string", "maxLength": _LONGEST, "description": 'a group\'s name, or "" for none'},
        "state": {"type": "array", "items": {"type": "string", "enum": _STATES}, "maxItems": len(_STATES)},
        "match": {**_WORD, "description": "a pattern of names such as web*"},
        "all": {**FLAG, "description": "true for every machine"},
        "wake": {**FLAG, "description": "true to wake machines that sleep for it"},
        "dry_run": {**FLAG, "description": "true to hear only what would be done"},
        "per_minute": {"type": "integer", "minimum": 0, "maximum": 1_000_000},
        "at_once": {"type": "integer", "minimum": 0, "maximum": 10_000},
        "valid_seconds": _SECONDS,
        "timeout_seconds": _SECONDS,
        "queue_seconds": {
            "type": "number",
            "minimum": 0,
            "maximum": 86400,
            "description": "so long may a wake wait for its turn; its timeout_seconds then begin with its turn",
        },
        "wait_seconds": {
            "type": "number",
            "minimum": 0,
            "maximum": _LONGEST_WAIT,
            "description": "answer when it has ended, or after so long at the latest",
        },
    },
    "required": ["verb"],
    "additionalProperties": False,
}
_RESULT = thing(
    outcome={"type": "string", "enum": [outcome.value for outcome in Outcome]},
    said=TEXT,
    changed={**FLAG, "description": "something was done, or would be"},
    seconds=or_null(NUMBER),
    result=_ANYTHING,
)
_SUMMARY: dict[str, Schema] = {
    "id": TEXT,
    "verb": {"type": "string", "enum": [*VERBS]},
    "arguments": _ANYTHING,
    "by": TEXT,
    "at": TIME,
    "state": {"type": "string", "enum": ["running", "done", "cancelled"]},
    "dry_run": FLAG,
    "ended": or_null(TIME),
    "hosts": COUNT,
    "counts": COUNTS,
}
_ORDER = thing(**_SUMMARY, results={"type": "object", "additionalProperties": _RESULT})
_ID = Parameter("id", {"type": "string", "minLength": 1, "maxLength": 64}, "the number of an order", place="path")


def routes(service: Service) -> list[Route]:
    do = _Handlers(service)
    return [
        Route(
            "POST",
            "/api/v1/orders",
            do.give,
            "operator",
            "Give an order to one machine, many, a group or all that fit a query",
            _ORDER,
            body=_BODY,
            status=202,
            also={200: _ORDER},
            most_bytes=_BODY_BYTES,
            problems=("conflict",),
            description="Answers at once (202), or after wait_seconds; GET /api/v1/orders/{id} tells what became of it "
            "with each machine. A dry run answers 200 with what would be done.",
        ),
        Route(
            "GET",
            "/api/v1/orders",
            do.many,
            "viewer",
            "The last orders since powerwaked started, the newest first",
            thing(orders=listed(thing(**_SUMMARY))),
        ),
        Route(
            "GET",
            "/api/v1/orders/{id}",
            do.one,
            "viewer",
            "One order, and what became of it with each machine",
            _ORDER,
            parameters=(
                _ID,
                Parameter("host", _WORD, "with the result of this machine alone"),
                Parameter(
                    "wait_seconds",
                    {"type": "integer", "minimum": 0, "maximum": _LONGEST_WAIT},
                    "answer when it has ended (for `host`, where that is given), or after so long at the latest",
                ),
            ),
            problems=("not-found",),
        ),
        Route(
            "DELETE",
            "/api/v1/orders/{id}",
            do.cancel,
            "operator",
            "Cancel an order: machines whose turn has not come hear nothing of it",
            _ORDER,
            parameters=(_ID,),
            problems=("not-found",),
        ),
        Route(
            "GET",
            "/api/v1/hosts/{name}/naps",
            do.naps,
            "viewer",
            "The last naps of a host, the newest first",
            thing(naps=listed(NAP)),
            parameters=(NAME,),
            problems=("not-found",),
        ),
        Route(
            "DELETE",
            "/api/v1/hosts/{name}/canary",
            do.clear,
            "operator",
            "Let a host nap again that did not wake when that was tried",
            CHANGED,
            parameters=(NAME,),
            problems=("not-found",),
        ),
    ]


class _Handlers:
    def __init__(self, service: Service) -> None:
        self._service = service

    async def give(self, request: web.Request) -> web.Response:
        body = dict(request["body"])
        seconds = float(body.pop("wait_seconds", 0.0))
        wanted, dispatcher = parse_request(body), self._service.fleet.dispatcher
        order = await dispatcher.give(wanted, request["caller"].name)
        said, number = "dry run" if wanted.dry_run else "order", len(order.results)
        request["outcome"] = f"{said} {order.id} for {number} machine{'s' * (number != 1)}"
        await dispatcher.over(order, "", seconds)
        return answer(order.told(), 200 if wanted.dry_run else 202)

    async def many(self, request: web.Request) -> web.Response:
        return answer({"orders": [order.summary() for order in self._service.fleet.dispatcher.all()]})

    async def one(self, request: web.Request) -> web.Response:
        order, given = self._order(request), request["parameters"]
        await self._service.fleet.dispatcher.over(order, given.get("host", ""), given.get("wait_seconds", 0))
        return answer(order.told(given.get("host", "")))

    async def cancel(self, request: web.Request) -> web.Response:
        return answer(self._service.fleet.dispatcher.cancel(request.match_info["id"]).told())

    async def naps(self, request: web.Request) -> web.Response:
        record = self._service.record(request.match_info["name"])
        return answer({"naps": self._service.fleet.presence.naps.of(record.number)})

    async def clear(self, request: web.Request) -> web.Response:
        record = self._service.record(request.match_info["name"])
        return answer({"changed": await self._service.fleet.clear(record.name, request["caller"].name)})

    def _order(self, request: web.Request) -> Order:
        return self._service.fleet.dispatcher.get(request.match_info["id"])
