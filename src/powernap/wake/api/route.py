# SPDX-License-Identifier: GPL-3.0-or-later
"""One resource of the API, declared once: who may call it, what it takes, what it answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Schema = dict[str, Any]
#: "public": everybody; "host": everybody too, for what is signed with a host's key (the handler verifies that);
#: of the others each may do what those before it may.
Role = Literal["public", "host", "viewer", "operator", "admin"]
ROLES: tuple[Role, ...] = ("viewer", "operator", "admin")
MOST_BYTES = 64 * 1024
JSON = "application/json"


@dataclass(frozen=True)
class Parameter:
    """A query parameter, or with `place` "path" or "header" another. `schema` is of its value, not of the text."""

    name: str
    schema: Schema
    description: str
    place: Literal["query", "path", "header"] = "query"
    required: bool = False


@dataclass(frozen=True)
class Route:
    """`handler` raises PowernapError; who may call it, and whether `body` and `parameters` hold, is seen to before.

    `answer`, `body`: JSON Schema (2020-12; what api/check.py knows of it). `also`: further answers by status.
    `most_bytes`: of the body. `audited`: None: where it changes something (not GET) and is not for everybody.
    `streams`: the answer has no end. `problems`: kinds (problems.py) besides those that any route may answer with.
    """

    method: str
    path: str
    handler: Handler
    role: Role
    summary: str
    answer: Schema
    body: Schema | None = None
    parameters: tuple[Parameter, ...] = ()
    status: int = 200
    also: Mapping[int, Schema] | None = None
    media: str = JSON
    most_bytes: int = MOST_BYTES
    audited: bool | None = None
    streams: bool = False
    problems: tuple[str, ...] = ()
    description: str = ""

    @property
    def is_audited(self) -> bool:
        if self.audited is not None:
            return self.audited
        return self.method != "GET" and self.role not in ("public", "host")
