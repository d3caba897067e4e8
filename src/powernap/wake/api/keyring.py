# SPDX-License-Identifier: GPL-3.0-or-later
"""Tokens: make, list, revoke; and the audit log. For administrators."""

from __future__ import annotations

import time

from aiohttp import web

from powernap.wake.api.answers import answer
from powernap.wake.api.route import ROLES, Parameter, Route, Schema
from powernap.wake.api.schemas import CHANGED, COUNT, NUMBER, PRINTABLE, TEXT, TIME, limit, listed, or_null, thing
from powernap.wake.registration import BadBody
from powernap.wake.service import Service

_LONGEST_SECONDS = 10 * 365 * 86400
_MOST_USES = 1_000_000
_MOST, _DEFAULT = 1000, 100
_TOKEN = thing(
    id=TEXT,
    kind={"type": "string", "enum": ["api", "enrol"]},
    role=TEXT,
    name=TEXT,
    group=TEXT,
    uses_left=or_null(COUNT),
    created=TIME,
    expires=or_null(TIME),
    last_used=or_null(TIME),
)
_NEW: Schema = {
    "type": "object",
    "properties": {
        "kind": {"type": "string", "enum": ["api", "enrol"]},
        "role": {"type": "string", "enum": [*ROLES]},
        "name": {
            "type": "string",
            "minLength": 1,
            "maxLength": 64,
            "pattern": PRINTABLE,
            "description": "whose it is, as the audit log shall have it: 1 to 64 characters",
        },
        "expires_seconds": {
            "type": ["number", "null"],
            "minimum": 1,
            "maximum": _LONGEST_SECONDS,
            "description": "for how many seconds it is good (up to ten years), or null: for ever",
        },
        "uses": {
            "type": ["integer", "null"],
            "minimum": 1,
            "maximum": _MOST_USES,
            "description": "how many clients may enrol with it, or null: any number",
        },
        "group": {
            "type": "string",
            "maxLength": 64,
            "pattern": PRINTABLE,
            "description": "the group of clients that enrol with it",
        },
    },
    "required": ["name"],
    "additionalProperties": False,
}
_ID = Parameter(
    "id",
    {"type": "string", "pattern": "^[0-9a-f]{8}$", "description": "the 8 digits that 'powerwake token list' shows"},
    "the token's id",
    place="path",
)
_ENTRY = thing(
    number=COUNT,
    at=TIME,
    who=TEXT,
    role=TEXT,
    address=TEXT,
    method=TEXT,
    path=TEXT,
    body=TEXT,
    status=or_null({"type": "integer"}),
    outcome=TEXT,
    seconds=or_null(NUMBER),
)


def routes(service: Service) -> list[Route]:
    do = _Handlers(service)
    return [
        Route(
            "GET",
            "/api/v1/tokens",
            do.tokens,
            "admin",
            "All tokens, without their secrets",
            thing(tokens=listed(_TOKEN)),
        ),
        Route(
            "POST",
            "/api/v1/tokens",
            do.create,
            "admin",
            "Make a token; its text is in this answer alone",
            thing(token=TEXT, id=TEXT),
            body=_NEW,
            status=201,
            problems=("conflict",),
            description="`kind` api (default) needs a `role`; enrol lets `uses` clients (default 1) become known.",
        ),
        Route("DELETE", "/api/v1/tokens/{id}", do.revoke, "admin", "Revoke a token", CHANGED, parameters=(_ID,)),
        Route(
            "GET",
            "/api/v1/audit",
            do.audit,
            "admin",
            "Who asked for what, the newest first",
            thing(entries=listed(_ENTRY)),
            parameters=(
                limit(_MOST, _DEFAULT),
                Parameter(
                    "before", {"type": "integer", "minimum": 0, "maximum": 2**53}, "only entries before this number"
                ),
            ),
            description="`status` and `seconds` are null while the request runs, or where powerwaked ended meanwhile.",
        ),
    ]


class _Handlers:
    def __init__(self, service: Service) -> None:
        self._service = service

    async def tokens(self, request: web.Request) -> web.Response:
        return answer({"tokens": [token.told() for token in self._service.access.tokens.list()]})

    async def create(self, request: web.Request) -> web.Response:
        body = request["body"]
        kind, role = body.get("kind", "api"), body.get("role", "")
        if kind == "api" and not role:
            raise BadBody(f"role: missing: say one of {', '.join(ROLES)}")
        for field in ("role",) if kind == "enrol" else ("uses", "group"):
            if body.get(field):
                raise BadBody(f"{field}: a token of kind {kind} has none: leave it out")
        seconds, uses = body.get("expires_seconds"), body.get("uses", 1)
        text = await self._service.access.tokens.create(
            kind,
            role,
            body["name"],
            None if seconds is None else time.time() + seconds,
            None if uses is None else int(uses),
            body.get("group", ""),
        )
        return answer({"token": text, "id": text.split(".")[-2]}, 201)

    async def revoke(self, request: web.Request) -> web.Response:
        return answer({"changed": await self._service.access.tokens.revoke(request.match_info["id"])})

    async def audit(self, request: web.Request) -> web.Response:
        given = request["parameters"]
        return answer(
            {"entries": await self._service.access.audit.last(given.get("limit", _DEFAULT), given.get("before"))}
        )
