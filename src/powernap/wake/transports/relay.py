# SPDX-License-Identifier: GPL-3.0-or-later
"""Between one broker and the hub: what hosts say goes in, answers and orders out. The connection is somebody else's."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from powernap.net.broker.base import BrokerError, Heard
from powernap.net.broker.topics import OFFLINE, Topics
from powernap.shared.envelope import MOST_BYTES, TO_SERVER, BadMessage, Message, read
from powernap.wake.link.hub import Hub, Stranger
from powernap.wake.registry import Record, RegistryError
from powernap.wake.transports.peer import MOST_WAITING, BrokerPeer

_log = logging.getLogger(__name__)
#: What may wait of all hosts together; a site's hosts say hello all at once after a restart.
MOST_WAITING_OF_ALL = 50_000
_FAREWELL = "farewell"


class Relay:
    """``send(topic, text)`` publishes. ``record(name)``: as the registry has it, or None.

    ``counts``: dropped are messages for which there was no room; refused: those that nobody known here signed, that
    are of another host than their topic, or that the broker had kept.
    """

    def __init__(
        self,
        hub: Hub,
        record: Callable[[str], Record | None],
        transport: str,
        address: str,
        topics: Topics,
        send: Callable[[str, str], None],
    ) -> None:
        self.counts = {"received": 0, "sent": 0, "refused": 0, "dropped": 0}
        self._hub, self._record = hub, record
        self._transport, self._address, self._topics, self._send = transport, address, topics, send
        self._peers: dict[str, BrokerPeer] = {}
        self._waiting = 0
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        """How many hosts are spoken to."""
        return len(self._peers)

    def heard(self, heard: Heard) -> None:
        name, what = self._topics.host(heard.topic)
        if what == "up":
            self._said(name, heard)
        elif what == "link" and heard.text.startswith(OFFLINE.encode()) and not heard.kept:
            self._left(name, heard.text)

    def lost(self, why: str) -> None:
        """The broker is gone, and with it the way to all these hosts."""
        peers, self._peers = self._peers, {}
        for peer in peers.values():
            peer.inbox.clear()
            self._hub.lost(peer, why)
        self._waiting = 0

    def let_go(self, seconds: float) -> None:
        """Give up hosts that have said nothing for so long: not every broker tells when one is gone."""
        since = time.monotonic() - seconds
        for peer in [each for each in self._peers.values() if each.heard_at < since]:
            self._drop(peer, f"it has said nothing for {seconds:.0f} s")

    def close(self) -> None:
        for task in self._tasks:
            task.cancel()

    def _said(self, name: str, heard: Heard) -> None:
        self.counts["received"] += 1
        peer = self._peers.get(name)
        if heard.kept or len(heard.text) > MOST_BYTES:
            self.counts["refused"] += 1
            return
        if self._waiting >= MOST_WAITING_OF_ALL or (peer is not None and len(peer.inbox) >= MOST_WAITING):
            self.counts["dropped"] += 1
            return
        if peer is None:
            try:
                peer = self._newcomer(name)
            except BrokerError:
                self.counts["refused"] += 1
                return
        peer.inbox.append(heard.text)
        self._waiting += 1
        if not peer.busy:
            peer.busy = True
            task = asyncio.ensure_future(self._work(peer))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _newcomer(self, name: str) -> BrokerPeer:
        down = self._topics.down(name)

        def publish(text: str) -> None:
            self.counts["sent"] += 1
            self._send(down, text)

        made = BrokerPeer(name, self._transport, self._address, publish, self._closed)
        self._peers[name] = made
        return made

    async def _work(self, peer: BrokerPeer) -> None:
        """One after the other, as by any other way."""
        try:
            while peer.inbox:
                text = peer.inbox.popleft()
                self._waiting -= 1
                await self._receive(peer, text)
        finally:
            peer.busy = False
            if self._hub.linked(peer.name) is not peer and self._peers.get(peer.name) is peer:
                del self._peers[peer.name]

    async def _receive(self, peer: BrokerPeer, text: bytes) -> None:
        try:
            message = read(text).message
            if message.host != peer.name:
                raise BadMessage(f"a message of {message.host} on the topic of {peer.name}")
            await self._hub.receive(peer, text)
        except (Stranger, BadMessage) as error:
            self.counts["refused"] += 1
            level = logging.WARNING if self.counts["refused"] in (1, 100, 10_000) else logging.DEBUG
            _log.log(level, "by the broker %s: %s", self._address, error)
        except RegistryError as error:
            _log.error("%s", error)
        else:
            peer.heard_at = time.monotonic()
            if message.kind == "hello":
                peer.farewell = _farewell(message)

    def _left(self, name: str, text: bytes) -> None:
        """The last will of a host, or its farewell: believed where it is of the connection that last said hello."""
        peer = self._peers.get(name)
        if peer is None:
            return
        try:
            sealed = read(text[len(OFFLINE) + 1 :])
            record = self._record(name)
            if record is None or sealed.message.host != name:
                raise BadMessage(f"{name} is not known here")
            message = sealed.opened(record.key, TO_SERVER)
        except (BadMessage, RegistryError):
            self.counts["refused"] += 1
            return
        if message.kind == OFFLINE and message.seq == peer.farewell:
            self._drop(peer, "the broker says that its connection has ended")

    def _drop(self, peer: BrokerPeer, why: str) -> None:
        if self._peers.get(peer.name) is peer:
            del self._peers[peer.name]
            self._waiting -= len(peer.inbox)
            peer.inbox.clear()
            self._hub.lost(peer, why)

    def _closed(self, peer: BrokerPeer, why: str) -> None:
        """The hub has closed it, and hears of its end as of any other's: later."""
        asyncio.get_running_loop().call_soon(self._drop, peer, why)


def _farewell(hello: Message) -> int:
    number = hello.body.get(_FAREWELL)
    return number if isinstance(number, int) else 0
