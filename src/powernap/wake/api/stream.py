# SPDX-License-Identifier: GPL-3.0-or-later
"""Events as they come: server-sent events (WHATWG HTML, section 9.2), resumed after a break where the client was.

A client has no queue of its own: it has a place in the log of the last 1000 events. One that reads too slowly falls out
of it, and is told how many it has lost.
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

from aiohttp import web

from powernap.wake.api.problems import Unavailable
from powernap.wake.api.route import Parameter, Route
from powernap.wake.service import Service

_MOST_STREAMS = 200
_HEARTBEAT_SECONDS = 20.0
_WRITE_SECONDS = 60.0
_LONGEST_LIST = 2000
_WORDS = {"type": "array", "items": {"type": "string", "maxLength": 253}, "maxItems": 100}
_RETRY = b"retry: 2000\n\n"


def routes(service: Service) -> list[Route]:
    return [
        Route(
            "GET",
            "/api/v1/stream",
            _Streams(service).serve,
            "viewer",
            "Events as they come, as server-sent events",
            {"type": "string"},
            parameters=(
                Parameter("host", _WORDS, "only events of these hosts"),
                Parameter("kind", _WORDS, "only events of these kinds, such as hello or alert"),
                Parameter(
                    "Last-Event-ID",
                    {"type": "string", "maxLength": 64},
                    "the `id` of the last event that was read: what has happened since comes first",
                    place="header",
                ),
            ),
            media="text/event-stream",
            streams=True,
            description="`event` is the kind, `data` the event as GET /api/v1/events has it. `lost`: `data` has how "
            "many events are no longer kept, or null where powerwaked has started anew meanwhile.",
        )
    ]


class _Streams:
    def __init__(self, service: Service) -> None:
        self._service = service

    async def serve(self, request: web.Request) -> web.StreamResponse:
        figures = self._service.figures
        if figures.streams >= _MOST_STREAMS:
            raise Unavailable(f"{_MOST_STREAMS} streams are open already: close one, or ask GET /api/v1/events")
        figures.streams += 1
        try:
            return await self._serve(request)
        finally:
            figures.streams -= 1

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        place, lost = self._place(request.headers.get("Last-Event-ID", ""))
        response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        )
        try:
            await response.prepare(request)
            await _write(response, _RETRY + (self._frame("lost", {"events": None}, 0) if lost else self._at(place)))
            await self._tell(request, response, place)
        except ConnectionError:  # it has left, or reads nothing
            if request.transport is not None:
                request.transport.abort()
        return response

    async def _tell(self, request: web.Request, response: web.StreamResponse, place: int) -> None:
        """Returns when powerwaked ends. Raises ConnectionError."""
        log, told = self._service.engine.log, time.monotonic()
        while not log.closed:
            first = log.first
            if place < first - 1:
                await _write(response, self._frame("lost", {"events": first - 1 - place}, first - 1))
                place = first - 1
            events = log.since(place)["events"]
            text = b"".join(self._frame(each["event"], each, each["id"]) for each in events if _wanted(each, request))
            place += len(events)
            if not text and time.monotonic() - told >= _HEARTBEAT_SECONDS:
                text = b": still here\n" + self._at(place)
            if text:
                await _write(response, text)
                told = time.monotonic()
            else:
                await log.more(place, max(0.0, told + _HEARTBEAT_SECONDS - time.monotonic()))

    def _place(self, last: str) -> tuple[int, bool]:
        """After which event to go on, and whether powerwaked has started anew since then."""
        run, dash, number = last.partition("-")
        if not dash or not number.isascii() or not number.isdigit() or len(number) > 18:
            return self._service.engine.log.last, False
        if run != self._run():
            return 0, True
        return min(int(number), self._service.engine.log.last), False

    def _run(self) -> str:
        return f"{int(self._service.started * 1000):x}"

    def _at(self, place: int) -> bytes:
        """No event: where a client is that has heard none yet, or for which there was none among many."""
        return f"id: {self._run()}-{place}\n\n".encode()

    def _frame(self, kind: str, data: dict[str, Any], number: int) -> bytes:
        name = " ".join(kind.split())
        return f"id: {self._run()}-{number}\nevent: {name}\ndata: {json.dumps(data)}\n\n".encode()


def _wanted(event: dict[str, Any], request: web.Request) -> bool:
    given = request["parameters"]
    return event["host"] in given.get("host", (event["host"],)) and event["event"] in given.get(
        "kind", (event["event"],)
    )


async def _write(response: web.StreamResponse, text: bytes) -> None:
    """Who reads nothing for so long is let go. Raises ConnectionError."""
    try:
        await asyncio.wait_for(response.write(text), _WRITE_SECONDS)
    except asyncio.TimeoutError:
        raise ConnectionResetError("reads nothing") from None
