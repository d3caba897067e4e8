# SPDX-License-Identifier: GPL-3.0-or-later
"""Enrolment in the API: machines ask, operators approve or reject."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from powernap.wake.api.answers import answer
from powernap.wake.api.caller import address_of
from powernap.wake.api.route import Parameter, Route, Schema
from powernap.wake.api.schemas import COUNT, KEY, NEW_NAME, NUMBER, TEXT, TEXTS, TIME, listed, partly, thing
from powernap.wake.enrol.desk import NotAdmitted, TooMany
from powernap.wake.enrol.evidence import Kind
from powernap.wake.enrol.waiting import Full, Status

if TYPE_CHECKING:
    from powernap.wake.service import Service

_CARD: Schema = {
    "type": "object",
    "properties": {"name": TEXT, "mac": TEXT, "addresses": {"type": ["array", "null"], "items": TEXT, "maxItems": 64}},
    "required": ["mac"],
}
_QUESTION: Schema = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 253},
        "key": {**KEY, "description": "the key that the machine has made, 64 hex digits"},
        "identity": partly(thing(machine=TEXT, board=TEXT)),
        "cards": {"type": "array", "items": _CARD, "minItems": 1, "maxItems": 64},
        "hostname": TEXT,
        "boot_id": TEXT,
        "token": {"type": ["string", "null"]},
        "version": TEXT,
        "ca": TEXT,
    },
    "required": ["name", "key", "cards"],
}
_MANAGED: Schema = thing(status={"enum": ["managed"]}, name=TEXT)
_PENDING: Schema = thing(status={"enum": ["pending"]}, request=TEXT, again_seconds=NUMBER, why=TEXT)
_NOT: Schema = {"type": "object", "required": ["error"]}
_WAITING: Schema = thing(
    request=TEXT,
    name=TEXT,
    status={"type": "string", "enum": [each.value for each in Status]},
    verdict={"type": "string", "enum": [each.value for each in Kind]},
    host=TEXT,
    why=TEXT,
    hostname=TEXT,
    macs=TEXTS,
    addresses=TEXTS,
    source=TEXT,
    version=TEXT,
    first_asked=TIME,
    last_asked=TIME,
    asks=COUNT,
)
_ANNOUNCED: Schema = thing(name=TEXT, addresses=TEXTS, id=TEXT, macs=TEXTS, announced={"type": "boolean"}, since=TIME)
_APPROVAL: Schema = {
    "type": "object",
    "properties": {"name": NEW_NAME, "group": {"type": "string", "maxLength": 64}},
    "additionalProperties": False,
}
_WHO = Parameter(
    "who", {"type": "string", "minLength": 1, "maxLength": 253}, "a machine's name, or its request", place="path"
)


def routes(service: Service) -> list[Route]:
    desk = service.desk

    async def ask(request: web.Request) -> web.Response:
        try:
            content = await desk.ask(request["body"], address_of(request))
        except NotAdmitted as error:
            return answer({"error": str(error), "make_key": error.make_key}, 403)
        except TooMany as error:
            seconds = round(error.again_seconds, 1)
            headers = {"Retry-After": str(max(1, round(seconds)))}
            return answer({"error": str(error), "again_seconds": seconds}, 429, headers)
        except Full as error:
            return answer({"error": str(error), "again_seconds": 300.0}, 503)
        return answer(content, 201 if content["status"] == "managed" else 202)

    async def pending(request: web.Request) -> web.Response:
        return answer({"pending": desk.pending()})

    async def approve(request: web.Request) -> web.Response:
        body = request["body"]
        record = await desk.approve(
            request.match_info["who"], body.get("name", ""), body.get("group"), request["caller"].name
        )
        return answer({"name": record.name, "macs": list(record.macs), "group": record.group})

    async def reject(request: web.Request) -> web.Response:
        return answer(await desk.reject(request.match_info["who"], request["caller"].name))

    async def announced(request: web.Request) -> web.Response:
        found = service.announcing.announced()
        return answer({**service.announcing.status(), "announced": found})

    return [
        Route(
            "GET",
            "/api/v1/announced",
            announced,
            "viewer",
            "Machines that announce themselves on the network: a hint, which anybody there can make",
            thing(publishes=TEXT, browses=TEXT, trouble=TEXT, announced=listed(_ANNOUNCED)),
        ),
        Route(
            "POST",
            "/api/v1/enrol",
            ask,
            "public",
            "A machine asks to be known; asked again with the same key it hears how it stands",
            _MANAGED,
            _QUESTION,
            status=201,
            also={202: _PENDING, 403: _NOT, 429: _NOT, 503: _NOT},
        ),
        Route("GET", "/api/v1/pending", pending, "viewer", "Who waits for approval", thing(pending=listed(_WAITING))),
        Route(
            "POST",
            "/api/v1/pending/{who}/approve",
            approve,
            "admin",
            "Let a machine in that waits",
            thing(name=TEXT, macs=TEXTS, group=TEXT),
            _APPROVAL,
            (_WHO,),
        ),
        Route("POST", "/api/v1/pending/{who}/reject", reject, "admin", "Reject a machine", _WAITING, None, (_WHO,)),
    ]
