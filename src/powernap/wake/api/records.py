# SPDX-License-Identifier: GPL-3.0-or-later
"""Registered hosts: list them, look at one, register, forget; their keys, for administrators alone."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Callable, Coroutine
from fnmatch import translate
from typing import Any

from aiohttp import web

from powernap.shared.errors import PowernapError
from powernap.wake.api.answers import answer
from powernap.wake.api.problems import content, kind_of
from powernap.wake.api.route import Parameter, Route, Schema
from powernap.wake.api.schemas import (
    CHANGED,
    CONDITIONS,
    FACTS,
    FLAG,
    GIVEN,
    HOST,
    KEY,
    NAME,
    NAMED_FACTS,
    NEW_NAME,
    STATES,
    TEXT,
    limit,
    listed,
    or_null,
    partly,
    thing,
)
from powernap.wake.describing import given
from powernap.wake.registration import BadBody
from powernap.wake.service import Service

_MOST, _DEFAULT = 5000, 1000
_BATCH_BYTES = 16 * 1024 * 1024
_AT_ONCE = 500
_MOST_OF_BATCH = 100_000
_REGISTERED = thing(changed=FLAG, host=HOST, key=KEY)
_OF_BATCH: Schema = {
    "type": "object",
    "properties": {
        "name": TEXT,
        "changed": FLAG,
        "before": or_null(GIVEN),
        "key": KEY,
        "group_described": FLAG,
        "status": {"type": "integer"},
        "error": TEXT,
    },
    "required": ["name"],
    "additionalProperties": False,
}
_FORGOTTEN = thing(name=TEXT, changed=FLAG, before=or_null(GIVEN))
_DRY_RUN: Schema = {**FLAG, "description": "true to hear only what would be done"}
_MANY: Schema = {
    "type": "object",
    "properties": {
        "hosts": {"type": "array", "items": NAMED_FACTS, "maxItems": _MOST_OF_BATCH},
        "dry_run": _DRY_RUN,
    },
    "required": ["hosts"],
    "additionalProperties": False,
}
_NAMES: Schema = {
    "type": "object",
    "properties": {
        "names": {
            "type": "array",
            "items": {"type": "string", "minLength": 1, "maxLength": 253},
            "maxItems": _MOST_OF_BATCH,
        },
        "dry_run": _DRY_RUN,
    },
    "required": ["names"],
    "additionalProperties": False,
}
_FILTERS = (
    Parameter(
        "state",
        {"type": "array", "items": {"type": "string", "enum": CONDITIONS}},
        "only hosts that are so, by the `state` of their `status`",
    ),
    Parameter(
        "wake_state",
        {"type": "array", "items": {"type": "string", "enum": STATES}},
        "only hosts for which the wake server does so",
    ),
    Parameter("group", {"type": "string", "maxLength": 64}, 'only hosts of this group; "" for those of none'),
    Parameter("pattern", {"type": "string", "maxLength": 253}, "only hosts whose name fits, such as web*"),
    Parameter("target", {"type": "string", "maxLength": 253}, "the one host of this name, MAC or IP address"),
    Parameter(
        "fields",
        {"type": "array", "items": {"type": "string", "enum": [*HOST["properties"]]}},
        "only these of each host",
    ),
    limit(_MOST, _DEFAULT),
    Parameter("after", {"type": "string", "maxLength": 253}, "`next` of the page before"),
)


def routes(service: Service) -> list[Route]:
    do = _Handlers(service)
    new = Parameter("name", NEW_NAME, "the name under which it is registered", place="path")
    return [
        Route(
            "GET",
            "/api/v1/hosts",
            do.many,
            "viewer",
            "Hosts, in the order of their names, page by page",
            thing(hosts=listed(partly(HOST)), next=or_null(TEXT)),
            parameters=_FILTERS,
            description="`next` is null on the last page.",
            problems=("not-found",),
        ),
        Route(
            "PUT",
            "/api/v1/hosts",
            do.enrol_many,
            "admin",
            "Register any number of hosts",
            thing(changed=FLAG, hosts=listed(_OF_BATCH)),
            body=_MANY,
            most_bytes=_BATCH_BYTES,
            description="Each is judged by itself: one that is refused has `status` and `error`, all others count. "
            "`before` is what was given earlier, null where it was not registered.",
        ),
        Route(
            "POST",
            "/api/v1/forget",
            do.forget_many,
            "admin",
            "Forget any number of hosts, and their keys with them",
            thing(changed=FLAG, hosts=listed(_FORGOTTEN)),
            body=_NAMES,
            most_bytes=_BATCH_BYTES,
        ),
        Route("GET", "/api/v1/hosts/{name}", do.one, "viewer", "One host", HOST, parameters=(NAME,)),
        Route(
            "PUT",
            "/api/v1/hosts/{name}",
            do.enrol,
            "admin",
            "Register a host, or replace what was said of it",
            _REGISTERED,
            body=FACTS,
            parameters=(new,),
            problems=("conflict",),
        ),
        Route(
            "DELETE",
            "/api/v1/hosts/{name}",
            do.forget,
            "admin",
            "Forget a host, and its key with it",
            CHANGED,
            parameters=(NAME,),
        ),
        Route(
            "GET",
            "/api/v1/hosts/{name}/key",
            do.key,
            "admin",
            "The key with which the host signs",
            thing(key=KEY),
            parameters=(NAME,),
            audited=True,
        ),
    ]


class _Handlers:
    def __init__(self, service: Service) -> None:
        self._service = service

    async def many(self, request: web.Request) -> web.Response:
        wanted = request["parameters"]
        fields, most = wanted.get("fields"), wanted.get("limit", _DEFAULT)
        if "target" in wanted:
            record = self._service.orders.find(wanted["target"])
            described = self._service.describe(record, self._service.engine.roster.peek(record.name))
            found, more = [host for host in (described,) if _fits(wanted)(host)], False
        else:
            found, more = await self._page(_fits(wanted), most, wanted.get("after", ""))
        last = found[-1]["name"] if more else None
        if fields is not None:
            found = [{field: host[field] for field in fields} for host in found]
        return answer({"hosts": found, "next": last})

    async def _page(
        self, fits: Callable[[dict[str, Any]], bool], most: int, after: str
    ) -> tuple[list[dict[str, Any]], bool]:
        """So many that fit, and whether more hosts follow."""
        found: list[dict[str, Any]] = []
        for page in self._service.hosts(after):
            for host in page:
                if len(found) == most:
                    return found, True
                if fits(host):
                    found.append(host)
            await asyncio.sleep(0)  # frames come first
        return found, False

    async def one(self, request: web.Request) -> web.Response:
        record = self._service.record(request.match_info["name"])
        return answer(self._service.describe(record, self._service.engine.roster.peek(record.name)))

    async def key(self, request: web.Request) -> web.Response:
        return answer({"key": self._service.record(request.match_info["name"]).key})

    async def enrol(self, request: web.Request) -> web.Response:
        return answer(await self._enrol(request.match_info["name"], request["body"]))

    async def _enrol(self, name: str, facts: dict[str, Any]) -> dict[str, Any]:
        changed, record, host = await self._service.enrolment.enrol(name, facts)
        return {"changed": changed, "host": self._service.describe(record, host), "key": record.key}

    async def enrol_many(self, request: web.Request) -> web.Response:
        """They share transactions: one flush of the disk is for many."""
        asked, dry = request["body"]["hosts"], request["body"].get("dry_run", False)
        _refuse_twice("hosts", [each["name"] for each in asked])
        taken: dict[str, str] = {}
        return await self._many(asked, lambda each: self._foresee_one(each, taken) if dry else self._enrol_one(each))

    async def _many(self, asked: list[Any], one: Callable[[Any], Coroutine[Any, Any, dict[str, Any]]]) -> web.Response:
        done: list[dict[str, Any]] = []
        for begin in range(0, len(asked), _AT_ONCE):
            done += await asyncio.gather(*(one(each) for each in asked[begin : begin + _AT_ONCE]))
            await asyncio.sleep(0)  # frames come first
        return answer({"changed": any(each.get("changed") for each in done), "hosts": done})

    async def _enrol_one(self, asked: dict[str, Any]) -> dict[str, Any]:
        name = asked["name"]
        before = self._given(name)
        try:
            changed, record, _host = await self._service.enrolment.enrol(name, _facts(asked))
            return {"name": name, "changed": changed, "before": before, **self._kept(record.key, record.group)}
        except PowernapError as error:
            return _refused(name, error)

    async def _foresee_one(self, asked: dict[str, Any], taken: dict[str, str]) -> dict[str, Any]:
        """`taken`: by MAC address, who of the same request has it."""
        name = asked["name"]
        try:
            changed, record, group = self._service.enrolment.foresee(name, _facts(asked), taken)
            before = None if record is None else given(record)
            key = "" if record is None else record.key
            return {"name": name, "changed": changed, "before": before, **self._kept(key, group)}
        except PowernapError as error:
            return _refused(name, error)

    def _given(self, name: str) -> dict[str, Any] | None:
        record = self._service.known(name)
        return None if record is None else given(record)

    def _kept(self, key: str, group: str) -> dict[str, Any]:
        described = not group or group in self._service.config.groups
        return {**({"key": key} if key else {}), "group_described": described}

    async def forget_many(self, request: web.Request) -> web.Response:
        names, dry = request["body"]["names"], request["body"].get("dry_run", False)
        _refuse_twice("names", names)
        return await self._many(names, lambda name: self._forget_one(name, dry))

    async def _forget_one(self, name: str, dry: bool) -> dict[str, Any]:
        before = self._given(name)
        changed = before is not None if dry else await self._service.enrolment.forget(name)
        return {"name": name, "changed": changed, "before": before}

    async def forget(self, request: web.Request) -> web.Response:
        return answer({"changed": await self._service.enrolment.forget(request.match_info["name"])})


def _facts(asked: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in asked.items() if key != "name"}


def _refused(name: str, error: PowernapError) -> dict[str, Any]:
    return {"name": name, "status": content(kind_of(error), "")["status"], "error": str(error)}


def _refuse_twice(field: str, names: list[str]) -> None:
    if len(set(names)) != len(names):
        twice = next(name for name, count in Counter(names).items() if count > 1)
        raise BadBody(f"{field}: {twice} is given twice: give each host once")


def _fits(wanted: dict[str, Any]) -> Callable[[dict[str, Any]], bool]:
    states, wake_states, group = wanted.get("state"), wanted.get("wake_state"), wanted.get("group")
    pattern = re.compile(translate(wanted["pattern"])) if "pattern" in wanted else None

    def fits(host: dict[str, Any]) -> bool:
        return (
            (states is None or host["status"]["state"] in states)
            and (wake_states is None or host["wake_state"] in wake_states)
            and (group is None or host["group"] == group)
            and (pattern is None or pattern.match(host["name"]) is not None)
        )

    return fits
