# SPDX-License-Identifier: GPL-3.0-or-later
"""The control socket: one line of JSON in, one line of JSON out. root may do all, others may only ask."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from powernap.nap.answers import ORDERS, QUESTIONS
from powernap.shared.errors import PowernapError

PATH = "/run/powernapd/control.sock"
LINE_BYTES = 4096
CLIENT_SECONDS = 5.0

Answerer = Callable[[Mapping[str, Any]], Awaitable[dict[str, Any]]]


class ControlError(PowernapError):
    """The control socket cannot be made, or powernapd does not answer on it."""


async def serve(path: str, answer: Answerer) -> asyncio.AbstractServer:
    """Listen on the socket; everybody may connect, and is known by its credentials. Raises ControlError."""
    if await _is_answered(path):
        raise ControlError(f"{path} is in use by another powernapd: stop it first")
    return await asyncio.start_unix_server(
        lambda reader, writer: _converse(reader, writer, answer), sock=_listener(Path(path)), limit=LINE_BYTES
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


async def _converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: Answerer) -> None:
    with contextlib.suppress(OSError, asyncio.TimeoutError):
        try:
            line = await asyncio.wait_for(reader.readline(), CLIENT_SECONDS)
            said = await respond(line, _uid(writer), answer)
        except ValueError:
            said = _refusal(f"a request is one line of at most {LINE_BYTES} bytes")
        writer.write(json.dumps(said).encode() + b"\n")
        await asyncio.wait_for(writer.drain(), CLIENT_SECONDS)
    writer.close()


async def respond(line: bytes, uid: int, answer: Answerer) -> dict[str, Any]:
    """Return what a request of that user is answered."""
    try:
        request = json.loads(line)
        command = request["command"]
    except (ValueError, KeyError, TypeError):
        return _refusal('a request is one line such as {"command": "status"}')
    if command not in (*QUESTIONS, *ORDERS):
        return _refusal(f"unknown command {command!r}: it is one of {', '.join((*QUESTIONS, *ORDERS))}")
    if command in ORDERS and uid != 0:
        return _refusal(f"powernap {command} needs root: run it with sudo")
    try:
        return await answer({**request, "uid": uid})
    except PowernapError as error:
        return _refusal(str(error))


def _refusal(sentence: str) -> dict[str, Any]:
    return {"ok": False, "error": sentence}


def _uid(writer: asyncio.StreamWriter) -> int:
    peer = writer.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    uid: int = struct.unpack("3i", peer)[1]
    return uid


def ask(path: str, request: Mapping[str, Any], timeout: float) -> dict[str, Any]:
    """Send a request such as {"command": "status"} to powernapd; blocks. Raises ControlError."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.settimeout(timeout)
            sock.connect(path)
            sock.sendall(json.dumps(request).encode() + b"\n")
            with sock.makefile("rb") as stream:
                answer = json.loads(stream.readline())
    except (FileNotFoundError, ConnectionRefusedError) as error:
        raise ControlError(
            f"powernapd is not running (nobody answers on {path}): start it with 'systemctl start powernapd'"
        ) from error
    except PermissionError as error:
        raise ControlError(f"{path} may not be used by you: run this with sudo") from error
    except (OSError, ValueError) as error:
        raise ControlError(
            f"powernapd does not answer on {path} ({error}): look at 'systemctl status powernapd'"
        ) from error
    if not isinstance(answer, dict):
        raise ControlError(f"what answers on {path} is no powernapd")
    return answer
