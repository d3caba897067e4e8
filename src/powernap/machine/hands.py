# SPDX-License-Identifier: GPL-3.0-or-later
"""What needs root, asked of powernap-hands where this process is not root: a line of JSON each way, and open files.

Its verbs are in nap/hands. A process that is root asks nobody and does it itself.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from powernap.shared.errors import PowernapError

SOCKET = "/run/powernap-hands.sock"
#: What it must be able to take back after a crash; its files are its own, that they are there is everybody's to see.
STATE = Path("/var/lib/powernap-hands")
#: Is there while a hold of a tuner's profile lasts, which ends with powernap-hands.
HOLD = "hold"
#: An answer is not longer, in bytes; and has not more open files with it.
LONGEST, MOST_FILES = 1 << 20, 8
PIECE = 65536
ASK_SECONDS = 10.0


class HandsError(PowernapError):
    """It was not done, or nobody knows whether it was."""


class Answer(dict[str, Any]):
    """What was said, and ``files``: descriptors that are the asker's from now on."""

    def __init__(self, said: Mapping[str, Any], files: list[int]) -> None:
        super().__init__(said)
        self.files = files

    def file(self) -> int:
        """Return the one descriptor. Raises HandsError."""
        if len(self.files) != 1:
            raise HandsError("powernap-hands gave no open file")
        return self.files[0]


def needed() -> bool:
    """Tell whether this process must ask for what only root can do."""
    return os.geteuid() != 0


def there() -> bool:
    """Tell whether there is somebody to ask."""
    return Path(SOCKET).is_socket()


def ask(verb: str, limit: float = ASK_SECONDS, **arguments: Any) -> Answer:
    """``limit``: seconds. Blocks. Raises HandsError."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as sock:
        sock.settimeout(limit)
        reply = _Reply()
        try:
            sock.connect(SOCKET)
            sock.sendall(_line(verb, arguments))
            while not reply.take(sock):
                pass
        except OSError as error:
            reply.drop()
            raise _unreached(error, limit) from None
        return reply.answer()


async def asked(verb: str, limit: float = ASK_SECONDS, **arguments: Any) -> Answer:
    """The same for the event loop. Raises HandsError."""
    reply = _Reply()
    try:
        await asyncio.wait_for(_talk(_line(verb, arguments), reply), limit)
    except (OSError, asyncio.TimeoutError) as error:
        reply.drop()
        raise _unreached(error, limit) from None
    except BaseException:
        reply.drop()
        raise
    return reply.answer()


async def _talk(line: bytes, reply: _Reply) -> None:
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as sock:
        sock.setblocking(False)
        await loop.sock_connect(sock, SOCKET)
        await loop.sock_sendall(sock, line)
        while True:
            readable = loop.create_future()
            loop.add_reader(sock.fileno(), _set, readable)
            try:
                await readable
            finally:
                loop.remove_reader(sock.fileno())
            if reply.take(sock):
                return


def _set(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _line(verb: str, arguments: Mapping[str, Any]) -> bytes:
    return json.dumps({"verb": verb, **arguments}).encode() + b"\n"


class _Reply:
    """What has come so far."""

    def __init__(self) -> None:
        self._content = bytearray()
        self._files: list[int] = []

    def take(self, sock: socket.socket) -> bool:
        """Receive once; tell whether the line is complete. Raises OSError."""
        data, files, _flags, _peer = socket.recv_fds(sock, PIECE, MOST_FILES, socket.MSG_CMSG_CLOEXEC)
        self._files += files
        self._content += data
        if not data or len(self._content) > LONGEST:
            raise ConnectionResetError("it ended without an answer")
        return data.endswith(b"\n")

    def answer(self) -> Answer:
        """Raises HandsError."""
        try:
            said = dict(json.loads(self._content))
        except (ValueError, TypeError):
            self.drop()
            raise HandsError("powernap-hands gave an answer that is none") from None
        if said.get("error"):
            self.drop()
            raise HandsError(str(said["error"]))
        return Answer(said, self._files)

    def drop(self) -> None:
        for descriptor in self._files:
            os.close(descriptor)
        self._files = []


def _unreached(error: BaseException, seconds: float) -> HandsError:
    why = f"no answer for {seconds:g} s"
    if isinstance(error, OSError) and not isinstance(error, TimeoutError):
        why = error.strerror or str(error)
    return HandsError(
        f"powernap-hands, which does what needs root, cannot be asked ({why}): look at 'systemctl status "
        "powernap-hands.socket powernap-hands'"
    )
