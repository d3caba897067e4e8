# SPDX-License-Identifier: GPL-3.0-or-later
"""One broker: keeps a connection to it, beside all else, and tells what hosts are to whoever reads the topics."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import random
import secrets
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from powernap.net.broker.base import Broker, BrokerError, Connection, Will, Wish, connect
from powernap.net.broker.topics import OFFLINE, ONLINE, Topics
from powernap.wake.link.hub import LEASE_SECONDS, Hub
from powernap.wake.registry import Record
from powernap.wake.transports.relay import Relay

_log = logging.getLogger(__name__)
_CONNECT_SECONDS = 20.0
_ALIVE_SECONDS = 60
_FIRST_SECONDS, _LONGEST_SECONDS = 1.0, 60.0
#: States wait while so much of what was said before has not been taken, bytes.
_ENOUGH = 256 * 1024
_AT_ONCE, _PAUSE_SECONDS = 50, 0.02
_LOOK_SECONDS = 300.0


class Station:
    """``state(name)``: what is told of a host, or None where there is no such host; ``names()``: all hosts, by pages.

    ``states``: whether they are told. Nothing here raises, and nothing waits for a broker.
    """

    def __init__(
        self,
        place: Broker,
        topics: Topics,
        states: bool,
        hub: Hub,
        record: Callable[[str], Record | None],
        state: Callable[[str], Mapping[str, Any] | None],
        names: Callable[[], Iterable[list[str]]],
    ) -> None:
        self.place = place
        self.trouble = ""
        self.connections = 0
        self.since: float | None = None
        self._topics, self._states, self._state, self._names = topics, states, state, names
        self._relay = Relay(hub, record, place.protocol, str(place), topics, self._send)
        self._connection: Connection | None = None
        self._changed: dict[str, None] = {}
        self._telling: asyncio.Task[None] | None = None
        self._task: asyncio.Task[None] | None = None

    def open(self) -> None:
        self._task = asyncio.ensure_future(self._run())

    async def close(self) -> None:
        """Say farewell, as far as the broker takes it at once."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.publish(self._topics.server, OFFLINE, keep=True)
            connection.close()
        self._relay.close()
        self._relay.lost("powerwaked leaves the broker")
        for task in (self._task, self._telling):
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    def changed(self, name: str) -> None:
        """What a host is has changed, or it is forgotten."""
        if self._states and self._connection is not None:
            self._changed[name] = None
            self._tell()

    def status(self) -> dict[str, Any]:
        """For people."""
        return {
            "protocol": self.place.protocol,
            "address": str(self.place),
            "connected": self._connection is not None,
            "since": self.since,
            "trouble": self.trouble,
            "hosts": len(self._relay),
            "connections": self.connections,
            **self._relay.counts,
        }

    async def _run(self) -> None:
        limit = _FIRST_SECONDS
        while True:
            try:
                await self._connected()
                limit = _FIRST_SECONDS
            except BrokerError as error:
                self._fail(str(error))
            except Exception:  # noqa: BLE001  a defect of a library must not end the daemon
                _log.exception("the broker %s cannot be used", self.place)
                self.trouble = "it failed: see the journal"
            await asyncio.sleep(random.uniform(0.1, limit))
            limit = min(2 * limit, _LONGEST_SECONDS)

    def _fail(self, trouble: str) -> None:
        level = logging.DEBUG if trouble == self.trouble else logging.WARNING
        self.trouble = trouble
        _log.log(level, "%s; hosts that have no other way to speak do not nap meanwhile", trouble)

    async def _connected(self) -> None:
        """Until the connection ends. Raises BrokerError where there is none."""
        topics = self._topics
        wish = Wish(
            f"powerwaked-{socket.gethostname()[:60]}-{secrets.token_hex(4)}",
            topics.of_hosts,
            Will(topics.server, OFFLINE),
            _ALIVE_SECONDS,
        )
        connection = await connect(self.place, wish, _CONNECT_SECONDS)
        over: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        connection.lost = lambda why: None if over.done() else over.set_result(why)
        connection.heard = self._relay.heard
        self._connection, self.trouble = connection, ""
        self.connections += 1
        self.since = time.time()
        _log.info("connected to the broker %s", self.place)
        connection.publish(topics.server, f"{ONLINE} {secrets.token_hex(8)}", keep=True)
        self._tell_all()
        try:
            while not over.done():
                await asyncio.wait((over,), timeout=_LOOK_SECONDS)
                if self.place.protocol != "mqtt":
                    self._relay.let_go(LEASE_SECONDS)
            self._fail(f"the broker {self.place}: {over.result()}")
        finally:
            self._connection, self.since = None, None
            if self._telling is not None:
                self._telling.cancel()
            self._relay.lost(f"the broker {self.place} is gone")

    def _send(self, topic: str, text: str) -> None:
        if self._connection is not None:
            self._connection.publish(topic, text)

    # States

    def _tell_all(self) -> None:
        if self._states:
            self._changed.clear()
            self._telling = asyncio.ensure_future(self._tell_each(self._names()))

    def _tell(self) -> None:
        if self._telling is None or self._telling.done():
            self._telling = asyncio.ensure_future(self._tell_each(()))

    async def _tell_each(self, pages: Iterable[list[str]]) -> None:
        for page in pages:
            await self._publish_states(page)
        while self._changed:
            names = list(self._changed)[:_AT_ONCE]
            for name in names:
                del self._changed[name]
            await self._publish_states(names)

    async def _publish_states(self, names: list[str]) -> None:
        await asyncio.sleep(0)  # whoever changed the state of a host is through with it then
        for name in names:
            connection = self._connection
            if connection is None:
                return
            state = self._state(name)
            with contextlib.suppress(BrokerError):  # a name that cannot be a topic
                text = "" if state is None else json.dumps(state, separators=(",", ":"))
                connection.publish(self._topics.state(name), text, keep=True)
        while self._connection is not None and self._connection.waiting > _ENOUGH:  # noqa: ASYNC110  paho tells nobody
            await asyncio.sleep(_PAUSE_SECONDS)
