# SPDX-License-Identifier: GPL-3.0-or-later
"""What hosts call: they say that they sleep and that they are awake. Every request and answer is signed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

from powernap.shared import signing
from powernap.shared.errors import PowernapError
from powernap.wake.api.answers import answer, encode, explain_errors, read_body, status_of
from powernap.wake.api.route import MOST_BYTES
from powernap.wake.registration import BadBody, parse_object
from powernap.wake.registry import Record
from powernap.wake.service import Service

_NO_KEY = "0" * 64
_LONGEST_CAUSE = 100
_Act = Callable[[Record, int, bytes], Awaitable[None]]


def host_api(service: Service) -> web.Application:
    app = web.Application(middlewares=[explain_errors], client_max_size=MOST_BYTES)
    add_host_routes(app, service)
    return app


def add_host_routes(app: web.Application, service: Service) -> None:
    async def asleep(request: web.Request) -> web.Response:
        return await _signed(service, request, service.enrolment.asleep)

    async def awake(request: web.Request) -> web.Response:
        async def hello(record: Record, sequence: int, body: bytes) -> None:
            cause = parse_object(body).get("cause", "")
            if not isinstance(cause, str):
                raise BadBody("cause: say as text why the host is awake, such as boot or resume")
            await service.enrolment.awake(record, sequence, cause[:_LONGEST_CAUSE])

        return await _signed(service, request, hello)

    app.router.add_post("/v1/hosts/{name}/asleep", asleep)
    app.router.add_post("/v1/hosts/{name}/awake", awake)


async def _signed(service: Service, request: web.Request, act: _Act) -> web.Response:
    name = request.match_info["name"]
    body = await read_body(request)
    record = service.known(name)
    sequence = _sequence(request)
    # An unknown host costs the same work as a wrong key, and hears the same.
    expected = signing.sign(
        record.key if record is not None else _NO_KEY, request.method, request.raw_path, name, sequence, body
    )
    if not signing.same(expected, request.headers.get(signing.SIGNATURE_HEADER, "")) or record is None:
        sentence = (
            f"{name} is not known here by that key: run the site playbook or 'powerwake register' on the wake server, "
            "and give the host the key"
        )
        return answer({"error": sentence}, 401)
    content: dict[str, object] = {"acknowledged": True}
    status = 200
    try:
        service.enrolment.accept(record, sequence)
        await act(record, sequence, body)
    except PowernapError as error:
        content, status = {"error": str(error)}, status_of(error)
    signature = signing.sign_answer(record.key, sequence, status, encode(content))
    return answer(content, status, {signing.SIGNATURE_HEADER: signature})


def _sequence(request: web.Request) -> int:
    text = request.headers.get(signing.SEQUENCE_HEADER, "")
    if not text.isascii() or not text.isdigit() or len(text) > 19 or int(text) >= 1 << 63:
        raise BadBody(f"{signing.SEQUENCE_HEADER}: {text[:30]!r} is no sequence number: send a whole number that grows")
    return int(text)
