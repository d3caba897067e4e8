# SPDX-License-Identifier: GPL-3.0-or-later
"""Listens for powernapd alone, carries verbs out, and ends when nobody asks for a while: systemd starts it again."""

from __future__ import annotations

import array
import asyncio
import contextlib
import json
import logging
import os
import pwd
import signal
import socket
import struct
from typing import Any

from powernap.machine import sdnotify
from powernap.machine.hands import PIECE
from powernap.nap.background import log_defect
from powernap.nap.hands.means import Means
from powernap.nap.hands.verbs import VERBS
from powernap.shared.errors import PowernapError

_log = logging.getLogger("powernapd")
USER = "powernapd"
LINE_BYTES = 65536
LINE_SECONDS = 5.0
#: Without a request for so long, and with nothing under way, it ends.
IDLE_SECONDS = 15.0
#: sd_listen_fds(3)
LISTEN_FDS_START = 3


async def run(means: Means) -> None:
    """Serve until nobody asks any more, or SIGTERM. Raises PowernapError."""
    loop = asyncio.get_running_loop()
    listener, others = _listener(), _allowed()
    server = Server(means, others)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.end)
    sdnotify.notify("READY=1")
    try:
        await server.serve(listener)
    finally:
        listener.close()
        await means.close()


class Server:
    """``allowed``: the users who may ask."""

    def __init__(self, means: Means, allowed: frozenset[int]) -> None:
        self._means, self._allowed = means, allowed
        self._tasks: set[asyncio.Task[None]] = set()
        self._ended = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None

    def end(self) -> None:
        self._ended.set()

    async def serve(self, listener: socket.socket) -> None:
        listener.setblocking(False)
        loop = asyncio.get_running_loop()
        loop.add_reader(listener.fileno(), self._accept, listener)
        self._rest()
        await self._ended.wait()
        loop.remove_reader(listener.fileno())
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=LINE_SECONDS)

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            connection, _address = listener.accept()
            task = asyncio.ensure_future(self._converse(connection))
            self._tasks.add(task)
            task.add_done_callback(self._over)

    def _over(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        log_defect(task)
        self._rest()

    def _rest(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(IDLE_SECONDS, self._perhaps_end)

    def _perhaps_end(self) -> None:
        if self._tasks or self._means.busy:
            self._rest()
        else:
            self._ended.set()

    async def _converse(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError, asyncio.TimeoutError):
            connection.setblocking(False)
            uid = peer(connection)
            if uid not in self._allowed:
                _log.warning("user %d asked powernap-hands for something, and is not %s", uid, USER)
                await _send(connection, {"error": f"powernap-hands does nothing for user {uid}"}, [])
                return
            line = await asyncio.wait_for(_line(connection), LINE_SECONDS)
            said, files = await respond(line, self._means)
            try:
                await _send(connection, said, files)
            finally:
                for descriptor in files:
                    os.close(descriptor)


async def respond(line: bytes, means: Means) -> tuple[dict[str, Any], list[int]]:
    """Return what a request is answered."""
    try:
        request = dict(json.loads(line))
        verb = VERBS[request.pop("verb")]
    except (ValueError, KeyError, TypeError, RecursionError):
        return {"error": f'powernap-hands knows the verbs {", ".join(VERBS)}, in a line such as {{"verb": "jobs"}}'}, []
    try:
        files: list[int] = []
        said = await verb(means, request, files)
    except PowernapError as error:
        return {"error": str(error)}, []
    except Exception as error:  # noqa: BLE001  # whatever it was: who asked hears of it
        _log.error("internal error: %s", error, exc_info=error)
        return {"error": f"powernap-hands ran into a defect ({error!r}): look at 'journalctl -u powernap-hands'"}, []
    return said, files


def peer(connection: socket.socket) -> int:
    """Return who is at the other end: what the kernel says (SO_PEERCRED)."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    uid: int = struct.unpack("3i", credentials)[1]
    return uid


async def _line(connection: socket.socket) -> bytes:
    """Raises OSError."""
    loop, content = asyncio.get_running_loop(), b""
    while not content.endswith(b"\n"):
        piece = await loop.sock_recv(connection, PIECE)
        content += piece
        if not piece or len(content) > LINE_BYTES:
            raise ConnectionResetError("no line came")
    return content


async def _send(connection: socket.socket, said: dict[str, Any], files: list[int]) -> None:
    """The files go with the first bytes. Raises OSError."""
    content = json.dumps(said).encode() + b"\n"
    sent = 0
    if files:
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", files))]
        sent = connection.sendmsg([content[:PIECE]], ancillary)
    await asyncio.wait_for(asyncio.get_running_loop().sock_sendall(connection, content[sent:]), LINE_SECONDS)


def _allowed() -> frozenset[int]:
    """powernapd's user; root could do it without being asked."""
    with contextlib.suppress(KeyError):
        return frozenset({0, pwd.getpwnam(USER).pw_uid})
    return frozenset({0})


def _listener() -> socket.socket:
    """systemd's (sd_listen_fds(3)), else its own, as in tests. Raises PowernapError."""
    if os.environ.get("LISTEN_PID") == str(os.getpid()) and os.environ.get("LISTEN_FDS") == "1":
        return socket.socket(fileno=LISTEN_FDS_START)
    raise PowernapError("powernap-hands is started by systemd: try 'systemctl start powernap-hands.socket'")
