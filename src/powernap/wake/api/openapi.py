# SPDX-License-Identifier: GPL-3.0-or-later
"""The OpenAPI 3.1 document of the API, made from its routes. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from powernap.wake.api.problems import KINDS, MEDIA
from powernap.wake.api.route import JSON, Parameter, Route, Schema

_ABOUT = (
    "What operators and programs ask of powerwaked: which hosts it knows, what they do, and to wake them. By TCP with "
    "TLS and a bearer token, or by the Unix socket as root."
)
_WORD = re.compile(r"[A-Za-z0-9]+")
PROBLEM: Schema = {
    "type": "object",
    "description": "RFC 9457; `detail` is one sentence with the remedy, `error` the same for older clients.",
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "error": {"type": "string"},
    },
    "required": ["type", "title", "status", "detail", "error"],
    "additionalProperties": False,
}


def document(routes: Iterable[Route], version: str) -> dict[str, Any]:
    paths: dict[str, Any] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
        if route.method == "GET" and not route.streams:
            paths[route.path]["head"] = _head(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "powerwaked",
            "version": version,
            "description": _ABOUT,
            "license": {"name": "GPL-3.0-or-later", "identifier": "GPL-3.0-or-later"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": {"Problem": PROBLEM},
            "responses": {
                kind: {"description": title, "content": {MEDIA: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
                for kind, (_status, title) in KINDS.items()
            },
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(route: Route) -> dict[str, Any]:
    made: dict[str, Any] = {
        "operationId": operation_id(route.method, route.path),
        "summary": route.summary,
        "description": f"{route.description}\n\nRole: {route.role}.".strip(),
        "x-role": route.role,
        "responses": _responses(route),
        "security": [{"token": []}] if route.role not in ("public", "host") else [],
    }
    if route.parameters:
        made["parameters"] = [_parameter(each) for each in route.parameters]
    if route.body is not None:
        made["requestBody"] = {"required": True, "content": {JSON: {"schema": route.body}}}
    return made


def _head(route: Route) -> dict[str, Any]:
    """What GET would say of it, without saying it."""
    get = _operation(route)
    responses = {
        status: {"description": HEAD_SAYS if status != "default" else "As with GET, without the problem"}
        for status in get["responses"]
    }
    return {**get, "operationId": operation_id("HEAD", route.path), "responses": responses}


HEAD_SAYS = "As with GET, without the body"


def _responses(route: Route) -> dict[str, Any]:
    found: dict[str, Any] = {str(route.status): _answer(route.summary, route.answer, route.media)}
    for other, schema in (route.also or {}).items():
        found[str(other)] = _answer(_TITLES.get(other, "Otherwise"), schema, route.media)
    for kind in _problems(route):
        status = str(KINDS[kind].status)
        found.setdefault(status, {"$ref": f"#/components/responses/{kind}"})
    return found


_TITLES = dict(KINDS.values())


def _problems(route: Route) -> list[str]:
    """The kinds of problem that any answer of the route may be, besides what `problems` of the route says."""
    found = ["bad-request", "fault", "unavailable", *route.problems]
    if route.role not in ("public", "host"):
        found += ["no-token", "forbidden", "too-many-tries"]
    if route.body is not None:
        found += ["too-long", "bad-expectation"]
    if "{" in route.path:
        found.append("not-found")
    return found


def _answer(description: str, schema: Schema, media: str) -> dict[str, Any]:
    return {"description": description, "content": {media: {"schema": schema}}}


def _parameter(parameter: Parameter) -> dict[str, Any]:
    made: dict[str, Any] = {
        "name": parameter.name,
        "in": parameter.place,
        "required": parameter.required or parameter.place == "path",
        "description": parameter.description,
        "schema": parameter.schema,
    }
    if parameter.schema.get("type") == "array":
        made |= {"style": "form", "explode": False}
    return made


def operation_id(method: str, path: str) -> str:
    """Such as getHostsNameWakes."""
    words = _WORD.findall(path.removeprefix("/api/v1"))
    return method.lower() + "".join(word[0].upper() + word[1:] for word in words)
