# SPDX-License-Identifier: GPL-3.0-or-later
"""The channel by a site's broker: the same messages, by topics (docs/transports.md)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from powernap.net.broker.base import Broker, Connection, Heard, Will, Wish, broker, connect
from powernap.net.broker.topics import OFFLINE, ONLINE, Topics
from powernap.shared import envelope

if TYPE_CHECKING:
    from powernap.config.sections import ServerSettings

#: The broker takes a host for dead after half as much again; each time costs one wake-up of this process.
ALIVE_SECONDS = 1200


class Brokered:
    """``heard`` is called with each text, ``lost`` once with why it ended; as a WebSocket's are."""

    def __init__(self, connection: Connection, topics: Topics, name: str, farewell: str) -> None:
        self.heard: Callable[[str], None] = lambda _text: None
        self.lost: Callable[[str], None] = lambda _why: None
        self._connection, self._topics, self._name, self._farewell = connection, topics, name, farewell
        self._server = ""
        self._over = False
        connection.lost = self._ended
        connection.publish(topics.link(name), ONLINE, keep=True)
        asyncio.get_running_loop().call_soon(self._listen)

    def _listen(self) -> None:
        """When whoever made this has said who hears it: what the broker has kept comes first."""
        self._connection.heard = self._receive

    def send(self, text: str) -> None:
        if not self._over:
            self._connection.publish(self._topics.up(self._name), text)

    def close(self, why: str = "this machine ended the link") -> None:
        """Say farewell, so that the broker need not say the will when this machine is found dead, or asleep."""
        if self._over:
            return
        self._connection.publish(self._topics.link(self._name), self._farewell, keep=True)
        self._connection.close()
        self._ended(why)

    def _receive(self, heard: Heard) -> None:
        if self._over:
            return
        if heard.topic == self._topics.down(self._name):
            if not heard.kept and len(heard.text) <= envelope.MOST_BYTES:
                self.heard(heard.text.decode("utf-8", "replace"))
        elif heard.topic == self._topics.server:
            self._server_is(heard.text.decode("utf-8", "replace"), heard.kept)

    def _server_is(self, text: str, kept: bool) -> None:
        """The wake server's own word, or its will: it knows nobody who said hello to an older connection of its."""
        if text.startswith(OFFLINE):
            self.close("the wake server is not connected to the broker")
        elif kept or text == self._server:
            self._server = text
        else:
            self.close("the wake server is connected to the broker anew")

    def _ended(self, why: str) -> None:
        if not self._over:
            self._over = True
            self.lost(why)


def place_of(server: ServerSettings) -> Broker:
    """Raises BrokerError."""
    return broker(server.broker, server.broker_user, server.broker_password_file, server.broker_ca_file)


async def open_brokered(server: ServerSettings, name: str, key: str, number: int) -> Brokered:
    """Return a link. ``number``: that of the farewell, which the hello has to name. Raises BrokerError."""
    topics = Topics(server.broker_topics)
    said = envelope.seal(key, envelope.TO_SERVER, envelope.Message(name, OFFLINE, number, {}))
    farewell = f"{OFFLINE} {said}"
    will = Will(topics.link(name), farewell)
    wish = Wish(f"powernapd-{name}", (topics.down(name), topics.server), will, ALIVE_SECONDS)
    connection = await connect(place_of(server), wish, server.timeout_seconds)
    return Brokered(connection, topics, name, farewell)
