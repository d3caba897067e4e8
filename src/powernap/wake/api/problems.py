# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors as RFC 9457 has them: application/problem+json, each with one sentence that has the remedy."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any, NamedTuple

from aiohttp import web

from powernap.shared.errors import PowernapError
from powernap.wake.access.store import AccessError
from powernap.wake.access.tokens import TokenError
from powernap.wake.refusals import Conflict, NotWoken, Unknown
from powernap.wake.registration import BadBody, NoSegment
from powernap.wake.registry import RegistryError

MEDIA = "application/problem+json"
_BASE = "/api/v1/problems#"


class Kind(NamedTuple):
    """`title` does not change from one occurrence to the next; `detail` of an answer does."""

    status: int
    title: str


KINDS: dict[str, Kind] = {
    "bad-request": Kind(400, "The request cannot be understood"),
    "no-token": Kind(401, "No valid token was given"),
    "forbidden": Kind(403, "The token's role does not allow this"),
    "not-found": Kind(404, "There is no such thing"),
    "bad-method": Kind(405, "The method is not possible here"),
    "conflict": Kind(409, "The request cannot be granted as things are"),
    "too-long": Kind(413, "The body is too long"),
    "bad-expectation": Kind(417, "The expectation cannot be met"),
    "too-many-tries": Kind(429, "Too many requests without a valid token"),
    "fault": Kind(500, "The wake server failed to handle the request"),
    "unavailable": Kind(503, "The wake server cannot do this now"),
    "not-woken": Kind(504, "The machine did not wake in time"),
}


class TooLong(PowernapError):
    """A body that is longer than what is read."""


class NoToken(PowernapError):
    """Nobody known: no token, or none that is good."""


class Forbidden(PowernapError):
    """Known, but not allowed."""


class TooManyTries(PowernapError):
    """`seconds`: when the source may try again."""

    def __init__(self, message: str, seconds: int) -> None:
        super().__init__(message)
        self.seconds = seconds


class Unavailable(PowernapError):
    """Something that is needed is not there now."""


#: A class stands for those derived from it, too; what is not here is a bad request.
KIND_OF: dict[type[PowernapError], str] = {
    BadBody: "bad-request",
    TooLong: "too-long",
    NoToken: "no-token",
    Forbidden: "forbidden",
    TooManyTries: "too-many-tries",
    Unknown: "not-found",
    NoSegment: "conflict",
    Conflict: "conflict",
    TokenError: "conflict",
    RegistryError: "unavailable",
    AccessError: "unavailable",
    Unavailable: "unavailable",
    NotWoken: "not-woken",
}


def kind_of(error: PowernapError) -> str:
    return next((KIND_OF[each] for each in type(error).__mro__ if each in KIND_OF), "bad-request")


def content(kind: str, detail: str) -> dict[str, Any]:
    """`error` says the same as `detail`: clients from before this form read it."""
    status, title = KINDS[kind]
    return {"type": _BASE + kind, "title": title, "status": status, "detail": detail, "error": detail}


def problem(kind: str, detail: str, headers: dict[str, str] | None = None) -> web.Response:
    body = json.dumps(content(kind, detail)).encode() + b"\n"
    return web.Response(body=body, status=KINDS[kind].status, content_type=MEDIA, headers=headers)


def raw(kind: str, detail: str) -> bytes:
    """The whole answer, for a connection that nothing reads by HTTP; it is closed then."""
    body = json.dumps(content(kind, detail)).encode() + b"\n"
    head = f"HTTP/1.1 {KINDS[kind].status} {HTTPStatus(KINDS[kind].status).phrase}\r\nContent-Type: {MEDIA}\r\n"
    return f"{head}Connection: close\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def explain(error: PowernapError) -> web.Response:
    kind, headers = kind_of(error), dict[str, str]()
    if isinstance(error, TooManyTries):
        headers["Retry-After"] = str(error.seconds)
    if kind == "no-token":
        headers["WWW-Authenticate"] = 'Bearer realm="powerwaked"'
    return problem(kind, str(error), headers)
