# SPDX-License-Identifier: GPL-3.0-or-later
"""The control socket: one line of JSON in, one line of JSON out; for a stream, any number of them.

root may do all, others may only ask.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator, Mapping
from pathlib import Path
from typing import Any

from powernap.nap.answers import ORDERS, QUESTIONS, STREAMS
from powernap.shared.errors import PowernapError

_log = logging.getLogger("powernapd")
PATH = "/run/powernapd/control.sock"
LINE_BYTES = 4096
CLIENT_SECONDS = 5.0

#: What is kept for somebody who reads slowly, beside the kernel's buffer.
BEHIND_BYTES = 65536

Answerer = Callable[[Mapping[str, Any]], Awaitable[dict[str, Any]]]
Streamer = Callable[[Mapping[str, Any]], AsyncIterator[dict[str, Any]]]


class ControlError(PowernapError):
    """The control socket cannot be made, or powernapd does not answer on it."""


async def nothing(_request: Mapping[str, Any]) -> AsyncIterator[dict[str, Any]]:
    """A stream that is refused."""
    none: tuple[dict[str, Any], ...] = ({"ok": False, "error": "there are no streams here"},)
    for line in none:
        yield line


async def serve(path: str, answer: Answerer, stream: Streamer = nothing) -> asyncio.AbstractServer:
    """Listen on the socket; everybody may connect, and is known by its credentials. Raises ControlError."""
    if await _is_answered(path):
        raise ControlError(f"{path} is in use by another powernapd: stop it first")
    return await asyncio.start_unix_server(
        lambda reader, writer: _converse(reader, writer, answer, stream), sock=_listener(Path(path)), limit=LINE_BYTES
    )


def _listener(path: Path) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        sock.bind(str(path))
        path.chmod(0o666)
    except OSError as error:
        sock.close()
        raise ControlError(f"the control socket {path} cannot be made: {error.strerror}") from error
    return sock


async def _is_answered(path: str) -> bool:
    try:
        _reader, writer = await asyncio.wait_for(asyncio.open_unix_connection(path), 1)
    except (OSError, asyncio.TimeoutError):
        return False
    writer.close()
    return True


async def _converse(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: Answerer, stream: Streamer
) -> None:
    with contextlib.suppress(OSError, asyncio.TimeoutError), contextlib.closing(writer):
        try:
            line = await asyncio.wait_for(reader.readline(), CLIENT_SECONDS)
        except ValueError:
            await _send(writer, _refusal(f"a request is one line of at most {LINE_BYTES} bytes"))
            return
        if (request := _stream_request(line)) is not None:
            await _flow(reader, writer, stream(request))
        else:
            await _send(writer, await respond(line, _uid(writer), answer))


async def _send(writer: asyncio.StreamWriter, content: Mapping[str, Any]) -> None:
    writer.write(json.dumps(content).encode() + b"\n")
    await asyncio.wait_for(writer.drain(), CLIENT_SECONDS)


def _stream_request(line: bytes) -> dict[str, Any] | None:
    with contextlib.suppress(ValueError, RecursionError):
        request = json.loads(line)
        if isinstance(request, dict) and request.get("command") in tuple(STREAMS):
            return request
    return None


async def _flow(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, records: AsyncIterator[dict[str, Any]]
) -> None:
    """Send one after the other, to their end, or to that of whoever reads; who takes nothing for 5 s is left."""
    writer.transport.set_write_buffer_limits(high=BEHIND_BYTES)
    gone = asyncio.ensure_future(reader.read(1))
    following: asyncio.Future[dict[str, Any]] | None = None
    try:
        while True:
            following = asyncio.ensure_future(_next(records))
            await asyncio.wait((gone, following), return_when=asyncio.FIRST_COMPLETED)
            if not following.done():
                return
            try:
                record = following.result()
            except StopAsyncIteration:
                return
            except Exception as error:  # noqa: BLE001  # whatever it was: who asked hears of it
                await _send(writer, _failure(error))
                return
            await _send(writer, record)
    finally:
        for waiting in (gone, following):
            if waiting is not None and not waiting.done():
                waiting.cancel()
                with contextlib.suppress(asyncio.CancelledError, OSError):
                    await waiting
        await records.aclose()  # type: ignore[attr-defined]  # they are generators


async def _next(records: AsyncIterator[dict[str, Any]]) -> dict[str, Any]:
    return await records.__anext__()


async def respond(line: bytes, uid: int, answer: Answerer) -> dict[str, Any]:
    """Return what a request of that user is answered."""
    try:
        request = json.loads(line)
        command = request["command"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return _refusal('a request is one line such as {"command": "status"}')
    if command not in (*QUESTIONS, *ORDERS):
        known = ", ".join((*QUESTIONS, *STREAMS, *ORDERS))
        return _refusal(f"unknown command {command!r}: it is one of {known}")
    if command in ORDERS and uid != 0:
        return _refusal(f"powernap {command} needs root: run it with sudo")
    try:
        return await answer({**request, "uid": uid})
    except Exception as error:  # noqa: BLE001  # whatever it was: who asked hears of it
        return _failure(error)


def _failure(error: Exception) -> dict[str, Any]:
    """Return what the asker is told; a defect is no fault of theirs, and is logged."""
    if isinstance(error, PowernapError):
        return _refusal(str(error))
    _log.error("internal error: %s", error, exc_info=error)
    return _refusal(f"powernapd ran into a defect ({error!r}): look at 'journalctl -u powernapd'")


def _refusal(sentence: str) -> dict[str, Any]:
    return {"ok": False, "error": sentence}


def _uid(writer: asyncio.StreamWriter) -> int:
    peer = writer.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    uid: int = struct.unpack("3i", peer)[1]
    return uid


def ask(path: str, request: Mapping[str, Any], timeout: float) -> dict[str, Any]:
    """Send a request such as {"command": "status"} to powernapd; blocks. Raises ControlError."""
    with contextlib.closing(_talk(path, request, timeout, timeout)) as answers:
        return next(answers)


def follow(path: str, request: Mapping[str, Any], timeout: float, between: float | None) -> Iterator[dict[str, Any]]:
    """Yield what a stream such as {"command": "watch"} brings; the first comes in ``timeout`` seconds, the others
    ``between`` after each other (None: whenever). Ends where powernapd ends it. Raises ControlError.
    """
    with contextlib.suppress(_Ended):
        yield from _talk(path, request, timeout, between)


class _Ended(ControlError):
    """There is no further line."""


def _talk(
    path: str, request: Mapping[str, Any], timeout: float, between: float | None
) -> Generator[dict[str, Any], None, None]:
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.settimeout(timeout)
            sock.connect(path)
            sock.sendall(json.dumps(request).encode() + b"\n")
            with sock.makefile("rb") as stream:
                while line := stream.readline():
                    answer = json.loads(line)
                    if not isinstance(answer, dict):
                        raise ControlError(f"what answers on {path} is no powernapd")
                    yield answer
                    sock.settimeout(between)
    except (FileNotFoundError, ConnectionRefusedError) as error:
        raise ControlError(
            f"powernapd is not running (nobody answers on {path}): start it with 'systemctl start powernapd'; "
            "'journalctl -u powernapd' says why it ended"
        ) from error
    except PermissionError as error:
        raise ControlError(f"{path} may not be used by you: run this with sudo") from error
    except (OSError, ValueError) as error:
        raise ControlError(
            f"powernapd does not answer on {path} ({error}): look at 'systemctl status powernapd'"
        ) from error
    raise _Ended(f"powernapd does not answer on {path} (it closed): look at 'systemctl status powernapd'")
