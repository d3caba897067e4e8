# SPDX-License-Identifier: GPL-3.0-or-later
"""MQTT 3.1.1 by paho, of version 1.6 or 2: on the event loop by its socket, as paho's own thread wakes each second.

Nothing is said with more than QoS 0: what matters is acknowledged by whom it is for, and said again (docs/protocol.md).
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from powernap.nap.background import beside
from powernap.net.broker.base import MOST_WAITING, Broker, BrokerError, Heard, Hearing, Wish
from powernap.net.broker.pipe import cannot, context, tune

_MOST_MESSAGE = 256 * 1024
_CLOSE_SECONDS = 5.0
#: paho asks the broker only when it has itself been silent for so long, by its own clock.
_LATER_SECONDS = 1.0
_READ_AT_ONCE = 64
#: CONNACK's "bad user name or password" and "not authorised", as MQTT 3.1.1 and 5 have them.
_WRONG_USER = (4, 5, 134, 135)
_REFUSED = 128


class MqttConnection(Hearing):
    """``heard``, ``lost``, ``publish`` and ``close``: as Connection has them."""

    def __init__(self, place: Broker, wish: Wish) -> None:
        super().__init__()
        self.lost: Callable[[str], None] = lambda _why: None
        self._place, self._wish = place, wish
        self._loop = asyncio.get_running_loop()
        self._client = _client(wish.name)
        self._answer: asyncio.Future[None] = self._loop.create_future()
        self._begun = self._over = self._closing = False
        self._why = "the broker closed the connection"
        self._unsent: deque[tuple[str, bytes, bool]] = deque()
        self._bytes = 0
        self._said_at = time.monotonic()
        self._timer: asyncio.TimerHandle | None = None

    async def begin(self, seconds: float) -> None:
        """Raises BrokerError."""
        await beside(lambda: self._open(seconds))
        client = self._client
        client.on_connect, client.on_subscribe, client.on_message = self._connected, self._subscribed, self._message
        client.on_disconnect = lambda *_told: self._loop.call_soon(self._ended)
        client.on_socket_close = lambda _client, _data, sock: self._unwatch(sock)
        client.on_socket_register_write = lambda _client, _data, sock: self._loop.add_writer(sock, self._write)
        client.on_socket_unregister_write = lambda _client, _data, sock: self._loop.remove_writer(sock)
        sock = client.socket()
        if sock is None:
            raise BrokerError(f"the broker {self._place} closed the connection")
        self._loop.add_reader(sock, self._read)
        if client.want_write():
            self._loop.add_writer(sock, self._write)
        await self._answer
        if self._wish.subscribe:
            self._answer = self._loop.create_future()
            client.subscribe([(topic, 0) for topic in self._wish.subscribe])
            await self._answer
        self._begun = True
        self._tick()

    def _open(self, seconds: float) -> None:
        """Blocks. Raises BrokerError."""
        place, wish, client = self._place, self._wish, self._client
        client._connect_timeout = seconds  # paho 1.6 has no other way
        if place.user:
            client.username_pw_set(place.user, place.password() or None)
        judged = context(place)
        if judged is not None:
            client.tls_set_context(judged)
        if wish.will is not None:
            client.will_set(wish.will.topic, wish.will.text, 1, True)
        try:
            client.connect(place.host, place.port, wish.alive_seconds)
        except (OSError, ValueError) as error:
            raise cannot(place, error) from None
        tune(client.socket())

    @property
    def waiting(self) -> int:
        return self._bytes

    def publish(self, topic: str, text: str, keep: bool = False) -> None:
        if self._over or self._closing:
            return
        data = text.encode()
        self._unsent.append((topic, data, keep))
        self._bytes += len(data)
        if self._bytes > MOST_WAITING:
            self.end("the broker does not read what is sent to it")
        elif not self._client.want_write():
            self._hand_over()

    def close(self) -> None:
        if self._over or self._closing:
            return
        self._closing = True
        self._why = "this machine ended the connection"
        while self._unsent:
            self._hand_over()
        self._client.disconnect()
        self._client.loop_write()
        if not self._over:
            self._loop.call_later(_CLOSE_SECONDS, self.end, self._why)

    def end(self, why: str) -> None:
        """End it now, without a farewell: the broker says the will."""
        self._why = why
        sock = self._client.socket()
        if sock is not None:
            self._unwatch(sock)
            sock.close()
        self._ended()

    # --- of paho

    def _connected(self, _client: Any, _data: Any, _flags: Any, code: Any, *_more: Any) -> None:
        value = int(getattr(code, "value", code))
        if value == 0:
            self._settle("")
        elif value in _WRONG_USER:
            user = self._place.user or "(none)"
            self._settle(f"the broker {self._place} refuses the user {user} or its password ({code})")
        else:
            self._settle(f"the broker {self._place} refuses ({code})")

    def _subscribed(self, _client: Any, _data: Any, _mid: Any, codes: Any, *_more: Any) -> None:
        refused = any(int(getattr(code, "value", code)) >= _REFUSED for code in codes)
        topics = ", ".join(self._wish.subscribe)
        self._settle(f"the broker {self._place} does not let {self._place.user} read {topics}" if refused else "")

    def _settle(self, error: str) -> None:
        if self._answer.done():
            return
        if error:
            self._answer.set_exception(BrokerError(error))
        else:
            self._answer.set_result(None)

    def _message(self, _client: Any, _data: Any, message: Any) -> None:
        if len(message.payload) <= _MOST_MESSAGE:
            # Not within paho, which holds its locks now.
            heard = Heard(str(message.topic), bytes(message.payload), bool(message.retain))
            self._loop.call_soon(self._hear, heard)

    def _hear(self, heard: Heard) -> None:
        if not self._over and not self._closing:
            self.heard(heard)

    def _ended(self) -> None:
        if self._over:
            return
        self._over = True
        if self._timer is not None:
            self._timer.cancel()
        self._unsent.clear()
        self._bytes = 0
        if not self._answer.done():
            self._answer.set_exception(BrokerError(f"the broker {self._place}: {self._why}"))
            self._answer.exception()  # whoever waits for it hears of it, and nobody else is to
        elif self._begun:
            self.lost(self._why)

    # --- of the loop

    def _unwatch(self, sock: Any) -> None:
        if sock.fileno() >= 0:
            self._loop.remove_reader(sock)
            self._loop.remove_writer(sock)

    def _read(self) -> None:
        for _nth in range(_READ_AT_ONCE):
            self._client.loop_read()
            sock = self._client.socket()
            if not isinstance(sock, ssl.SSLSocket) or not sock.pending():
                return  # what is left wakes the loop again; what TLS has read ahead would not
        self._loop.call_soon(self._read)

    def _write(self) -> None:
        self._client.loop_write()
        if self._unsent and not self._client.want_write():
            self._hand_over()

    def _hand_over(self) -> None:
        """Give paho the next few: what it has itself is not bounded."""
        for _nth in range(_READ_AT_ONCE):
            if not self._unsent:
                break
            topic, data, keep = self._unsent.popleft()
            self._bytes -= len(data)
            self._client.publish(topic, data, 0, keep)
        self._said_at = time.monotonic()

    def _tick(self) -> None:
        """Ask the broker whether it is there, where nothing was said for so long; else look again when that is."""
        if self._over:
            return
        silent = time.monotonic() - self._said_at
        if silent >= self._wish.alive_seconds:
            self._client.loop_misc()
            self._said_at, silent = time.monotonic(), 0.0
        self._timer = self._loop.call_later(self._wish.alive_seconds - silent + _LATER_SECONDS, self._tick)


def _client(name: str) -> Any:
    """Raises BrokerError where paho is missing."""
    try:
        from paho.mqtt import client as paho
    except ImportError:
        raise BrokerError("MQTT needs paho: install it, as with 'apt-get install python3-paho-mqtt'") from None
    versions = getattr(paho, "CallbackAPIVersion", None)
    more: dict[str, Any] = {"callback_api_version": versions.VERSION2} if versions is not None else {}
    return paho.Client(client_id=name, clean_session=True, protocol=paho.MQTTv311, **more)


async def connect(place: Broker, wish: Wish, seconds: float) -> MqttConnection:
    """Raises BrokerError."""
    made = MqttConnection(place, wish)
    try:
        await asyncio.wait_for(made.begin(seconds), seconds)
    except asyncio.TimeoutError:
        made.end("it does not answer")
        raise BrokerError(f"the broker {place} does not answer in time") from None
    except BaseException:
        made.end("given up")
        raise
    return made
