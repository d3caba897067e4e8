# SPDX-License-Identifier: GPL-3.0-or-later
"""STOMP 1.2 (stomp.github.io), as RabbitMQ speaks it: no last will, and nothing is kept for who comes later.

Not by stomp.py: it has a thread for each connection and blocks where the broker does not read, and the one of Debian 12
(8.0.0) checks no host name in a certificate.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping

from powernap.nap.background import beside
from powernap.net.broker.base import Broker, BrokerError, Heard, Hearing, Wish
from powernap.net.broker.pipe import Pipe, open_pipe

_MOST_FRAME = 256 * 1024
#: Topics of MQTT are routing keys of AMQP here; "+", the name of one host, may have dots.
_BEFORE = "/topic/"
_ESCAPES = {"\\": "\\\\", "\n": "\\n", "\r": "\\r", ":": "\\c"}
_MEANT = {"\\\\": "\\", "\\n": "\n", "\\r": "\r", "\\c": ":"}
_ESCAPED = re.compile(r"\\.", re.DOTALL)
#: The headers of these are not escaped, as in STOMP 1.0.
_PLAIN = ("CONNECT", "CONNECTED")


def frame(command: str, headers: Mapping[str, str], body: bytes = b"") -> bytes:
    lines = [command]
    for name, value in headers.items():
        text = value if command in _PLAIN else "".join(_ESCAPES.get(each, each) for each in value)
        lines.append(f"{name}:{text}")
    return "\n".join(lines).encode() + b"\n\n" + body + b"\0"


class Frames:
    """Bytes to frames. Raises BrokerError for what is none."""

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, data: bytes) -> list[tuple[str, dict[str, str], bytes]]:
        self._data += data
        found = []
        while (each := self._next()) is not None:
            found.append(each)
        return found

    def _next(self) -> tuple[str, dict[str, str], bytes] | None:
        while self._data.startswith((b"\n", b"\r")):
            del self._data[:1]  # a heart-beat
        head_ends, gap = self._data.find(b"\n\n"), 2
        if head_ends < 0 or 0 <= self._data.find(b"\r\n\r\n") < head_ends:
            head_ends, gap = self._data.find(b"\r\n\r\n"), 4
        if head_ends < 0:
            self._bounded(len(self._data))
            return None
        command, headers = _head(bytes(self._data[:head_ends]))
        begins = head_ends + gap
        length = headers.get("content-length", "")
        if length:
            if not length.isdigit():
                raise BrokerError("the broker speaks no STOMP: a content-length is no number")
            ends = begins + int(length[:9])
            self._bounded(ends)
            if len(self._data) <= ends:
                return None
        else:
            ends = self._data.find(b"\0", begins)
            if ends < 0:
                self._bounded(len(self._data))
                return None
        body = bytes(self._data[begins:ends])
        del self._data[: ends + 1]
        return command, headers, body

    def _bounded(self, size: int) -> None:
        if size > _MOST_FRAME:
            raise BrokerError("the broker sent a frame that is too long")


def _head(data: bytes) -> tuple[str, dict[str, str]]:
    command, *lines = data.decode("utf-8", "replace").split("\n")
    command = command.rstrip("\r")
    headers: dict[str, str] = {}
    for line in lines:
        name, _colon, value = line.rstrip("\r").partition(":")
        headers.setdefault(name, value if command in _PLAIN else _unescaped(value))
    return command, headers


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(lambda found: _MEANT.get(found[0], found[0]), text) if "\\" in text else text


class StompConnection(Hearing):
    """``heard``, ``lost``, ``publish`` and ``close``: as Connection has them."""

    def __init__(self, pipe: Pipe, place: Broker) -> None:
        super().__init__()
        self.lost: Callable[[str], None] = lambda _why: None
        self._pipe, self._place, self._frames = pipe, place, Frames()
        self._answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        pipe.heard, pipe.lost = self._receive, self._ended

    async def begin(self, wish: Wish, password: str) -> None:
        """Raises BrokerError."""
        place = self._place
        # Without heart-beats, which would wake this machine: the kernel asks whether the broker is there.
        headers = {"accept-version": "1.2", "host": "/", "heart-beat": "0,0"}
        if place.user:
            headers |= {"login": place.user, "passcode": password}
        self._pipe.write(frame("CONNECT", headers))
        await self._answered()
        for number, topic in enumerate(wish.subscribe):
            more = {"receipt": "subscribed"} if number == len(wish.subscribe) - 1 else {}
            subscription = {"id": str(number), "destination": _destination(topic), "ack": "auto", **more}
            self._pipe.write(frame("SUBSCRIBE", subscription))
        if wish.subscribe:
            await self._answered()

    async def _answered(self) -> None:
        self._answer = asyncio.get_running_loop().create_future()
        await self._answer

    @property
    def waiting(self) -> int:
        return self._pipe.waiting

    def publish(self, topic: str, text: str, keep: bool = False) -> None:
        body = text.encode()
        headers = {"destination": _destination(topic), "content-type": "text/plain", "content-length": str(len(body))}
        self._pipe.write(frame("SEND", headers, body))

    def close(self) -> None:
        self._pipe.write(frame("DISCONNECT", {}))
        self._pipe.finish()

    def _receive(self, data: bytes) -> None:
        try:
            for command, headers, body in self._frames.feed(data):
                self._happened(command, headers, body)
        except BrokerError as error:
            self._pipe.end(str(error))

    def _happened(self, command: str, headers: Mapping[str, str], body: bytes) -> None:
        if command == "MESSAGE":
            self.heard(Heard(_topic(headers.get("destination", "")), body, False))
        elif command in ("CONNECTED", "RECEIPT"):
            if not self._answer.done():
                self._answer.set_result(None)
        elif command == "ERROR":
            raise BrokerError(_refusal(self._place, headers.get("message", ""), body))
        else:
            raise BrokerError(f"the broker {self._place} speaks no STOMP")

    def _ended(self, why: str) -> None:
        if not self._answer.done():
            self._answer.set_exception(BrokerError(why))
            self._answer.exception()  # whoever waits for it hears of it, and nobody else is to
        elif self._answer.exception() is None:
            self.lost(why)


def _refusal(place: Broker, message: str, body: bytes) -> str:
    text = " ".join(f"{message}: {body.decode('utf-8', 'replace')}".split())[:200]
    if "denied" in text.lower() or "authent" in text.lower() or "bad connect" in text.lower():
        return f"the broker {place} refuses the user {place.user or '(none)'} or its password ({text})"
    return f"the broker {place} refuses: {text}"


def _destination(topic: str) -> str:
    return _BEFORE + topic.replace("/", ".").replace("+", "#")


def _topic(destination: str) -> str:
    """The name of a host, which may have dots, is between "hosts" and the last word."""
    words = destination.removeprefix(_BEFORE)
    before, hosts, rest = words.partition(".hosts.")
    if not hosts:
        return words.replace(".", "/")
    name, _dot, what = rest.rpartition(".")
    return f"{before.replace('.', '/')}/hosts/{name}/{what}"


async def connect(place: Broker, wish: Wish, seconds: float) -> StompConnection:
    """Raises BrokerError."""
    password = await beside(place.password)
    pipe = await open_pipe(place, seconds)
    made = StompConnection(pipe, place)
    try:
        await asyncio.wait_for(made.begin(wish, password), seconds)
    except asyncio.TimeoutError:
        pipe.end("it does not answer")
        raise BrokerError(f"the broker {place} does not answer in time") from None
    except BaseException:
        pipe.end("given up")
        raise
    return made
