# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the messages of all transports come together: checked, acted upon, answered; and orders go out."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import random
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any, Protocol

from powernap.shared.envelope import MOST_BYTES, TO_CLIENT, TO_SERVER, BadMessage, Message, Sealed, read, seal
from powernap.shared.errors import PowernapError
from powernap.wake.clock import steady
from powernap.wake.engine import Engine
from powernap.wake.enrolment import Enrolment
from powernap.wake.link import words
from powernap.wake.link.leaving import back_in
from powernap.wake.link.orders import LinkOrders, NotLinked, OrderLate, OrderLost
from powernap.wake.link.sessions import LONGEST_WAIT, Again, Flood, Sessions
from powernap.wake.link.wokenfor import woken_for
from powernap.wake.link.words import Done, Hello, Said
from powernap.wake.orders.keeper import NotNow
from powernap.wake.registry import Record, RegistryError

__all__ = ["BadMessage", "Done", "Hello", "Hub", "HubListener", "NotLinked", "OrderLate", "OrderLost", "Peer", "Said"]

_log = logging.getLogger(__name__)
LEASE_SECONDS = 3600
_NO_KEY = "0" * 64
_REGISTRY_AGAIN = 60.0


class Stranger(PowernapError):
    """A message that no host known here has signed; nothing is answered but this sentence."""


class Peer(Protocol):
    """One way to a host. ``lasts``: messages may be sent by it at any time (a WebSocket, a broker's topic).

    ``send`` and ``close`` return at once, and bound what waits. Where the peer lasts ``Hub.lost`` is told of its end.
    ``pause`` takes so long, or until the peer is closed or gone.
    """

    transport: str
    address: str
    lasts: bool

    def send(self, text: str) -> None:
        pass

    def close(self, why: str) -> None:
        pass

    async def pause(self, seconds: float) -> None:
        pass


class HubListener:
    """What others want to hear of hosts; all are called on the event loop, and must return at once."""

    def hello(self, name: str, hello: Hello, peer: Peer) -> None:
        """A host has said hello, and was welcomed."""

    def said(self, name: str, said: Said) -> None:
        """A host has said what it does."""

    def left(self, name: str, how: str, peer: Peer) -> None:
        """The link of a host has ended: it has none now. ``how``: a few words."""

    def bye(self, name: str, cause: str) -> None:
        """A host has said that it goes: stopped, poweroff, reboot, reload."""


class Hub:
    """``record(name)``: the host as the registry has it, or None. ``per_second``: messages of one host, on average."""

    def __init__(
        self,
        engine: Engine,
        enrolment: Enrolment,
        record: Callable[[str], Record | None],
        per_second: float,
    ) -> None:
        self.listeners: list[HubListener] = []
        self.sessions: Sessions[Peer] = Sessions(per_second)
        self.orders = LinkOrders(self._send)
        self.counts = dict.fromkeys(
            ("messages", "refused", "strangers", "unreadable", "repeated", "floods", "replaced"), 0
        )
        self._engine, self._enrolment, self._record = engine, enrolment, record
        self.greet: Callable[[Record, Mapping[str, Any], str], Awaitable[None]] | None = None
        self.formerly: Callable[[str], tuple[Record, PowernapError] | None] = lambda name: None
        self._last_seq = time.time_ns()
        self._under_way: dict[tuple[str, int], asyncio.Future[str | None]] = {}
        self._closed = False
        self._gone = asyncio.Event()

    # In

    async def receive(self, peer: Peer, text: bytes) -> str | None:
        """Check a message, act, and answer: by ``peer.send`` where it lasts, else with what is returned.

        Raises BadMessage where it cannot be read, Stranger where nobody known here signed it; nothing was done then.
        """
        sealed = self._read(text)
        name = sealed.message.host
        record = self._record(name)
        try:
            # An unknown host costs the same work as a wrong key, and hears the same.
            message = sealed.opened(record.key if record is not None else _NO_KEY, TO_SERVER)
            known = record is not None
        except BadMessage:
            known = False
        if not known or record is None:
            answer = self._to_former(sealed)
            if answer is not None:
                if peer.lasts:
                    peer.send(answer)
                    return None
                return answer
            raise self._stranger(name)
        self.counts["messages"] += 1
        answer = await self._answered(peer, record, message, sealed.signature)
        if peer.lasts:
            if answer is not None:
                peer.send(answer)
            return None
        return answer

    def _stranger(self, name: str) -> Stranger:
        self.counts["strangers"] += 1
        return Stranger(
            f"{name} is not known here by that key: run the site playbook or 'powerwake register' on the wake server, "
            "and give the host the key"
        )

    def _to_former(self, sealed: Sealed) -> str | None:
        """What a host hears that signs with a name that it had before; None: it is not such a one."""
        found = self.formerly(sealed.message.host)
        if found is None:
            return None
        record, error = found
        try:
            message = sealed.opened(record.key, TO_SERVER)
        except BadMessage:
            return None
        return self._refuse(replace(record, name=message.host), message, error)

    def _read(self, text: bytes) -> Sealed:
        try:
            return read(text)
        except BadMessage:
            self.counts["unreadable"] += 1
            raise

    async def _answered(self, peer: Peer, record: Record, message: Message, signature: str) -> str | None:
        name, key = message.host, (message.host, message.seq)
        try:
            record = await self._in_turn(peer, record)
            again = self.sessions.judge(name, message.kind, message.seq, signature, record.sequence, time.monotonic())
        except Stranger:
            raise
        except PowernapError as error:
            refusal = self._refuse(record, message, error)
            if isinstance(error, Flood) and peer.lasts and not self.is_link(peer):
                # Whatever else it has sent would wait as long, and be refused.
                peer.send(refusal)
                peer.close("says too much")
                return None
            return refusal
        if isinstance(again, Again):
            self.counts["repeated"] += 1
            waiting = self._under_way.get(key)
            return await asyncio.shield(waiting) if waiting is not None else again.answer
        future = self._under_way[key] = asyncio.get_running_loop().create_future()
        answer = None
        try:
            answer = await self._act(peer, record, message)
        except PowernapError as error:
            answer = self._refuse(record, message, error)
        finally:
            del self._under_way[key]
            if answer is not None:
                self.sessions.answered(name, message.seq, answer)
            future.set_result(answer)
        return answer

    async def _in_turn(self, peer: Peer, record: Record) -> Record:
        """Whatever is signed counts, what is then refused too. Returns the record as it is now.

        Raises Flood, after a while; Stranger where the host was forgotten meanwhile.
        """
        name = record.name
        try:
            seconds = self.sessions.wait(name, time.monotonic())
        except Flood:
            self.counts["floods"] += 1
            if self.sessions.floods(name) == 1:
                self._engine.note(name, "flood", "says more than is taken of one host: its messages are refused")
            if not peer.lasts:
                peer.close("says too much")
            await peer.pause(LONGEST_WAIT)  # else it would be refused as fast as it can speak
            raise
        if not seconds:
            return record
        await peer.pause(seconds)
        now = self._record(name)
        if now is None or now.key != record.key:
            raise self._stranger(name)
        return now

    async def _act(self, peer: Peer, record: Record, message: Message) -> str:
        """Returns the answer. Raises PowernapError where the message is refused."""
        name, kind, body = record.name, message.kind, message.body
        if kind == "hello":
            return await self._hello(peer, record, message)
        if kind == "awake":
            cause = words.awake(body)
            self._enrolment.accept(record, message.seq)
            await self._enrolment.awake(record, message.seq, cause)
        elif kind == "asleep":
            self._enrolment.accept(record, message.seq)
            await self._enrolment.asleep(record, message.seq, json.dumps(body).encode())
            self.sessions.sleeps(name, time.time())
        elif kind == "state":
            said = words.said(body)
            self._tell(lambda listener: listener.said(name, said))
        elif kind == "done":
            self.orders.done(name, *words.done(body))
        elif kind == "bye":
            cause = words.bye(body)
            self._tell(lambda listener: listener.bye(name, cause))
        else:
            raise BadMessage(f"kind: {kind!r} is not known: say hello, awake, asleep, state, done or bye")
        return self._seal(record, "ack", {"ok": True}, message.seq)

    async def _hello(self, peer: Peer, record: Record, message: Message) -> str:
        name, hello = record.name, words.hello(message.body)
        if self.greet is not None:
            await self.greet(record, message.body, peer.address)
        if hello.state in words.RUNNING:
            self._enrolment.accept(record, message.seq)
            try:
                await self._enrolment.awake(record, message.seq, hello.cause)
            except RegistryError as error:
                _log.error("%s", error)  # it is believed all the same, and is welcome
        session = secrets.token_hex(16)
        former = self.sessions.begin(name, session, peer if peer.lasts else None)
        if former is not None:
            self._replaced(name, former, peer)
        story = self._engine.wakes.stories.last_of(name) if hello.state in words.RUNNING else None
        answer = {
            "nonce": hello.nonce,
            "session": session,
            "time": steady(),
            "lease_seconds": LEASE_SECONDS,
            "woken_for": woken_for(story, self.sessions.slept_at(name), time.time()),
            "name": name,
        }
        text = self._seal(record, "welcome", answer, message.seq)
        # After the welcome has gone out: what a listener orders has to follow it.
        asyncio.get_running_loop().call_soon(self._welcomed, name, hello, peer)
        return text

    def _welcomed(self, name: str, hello: Hello, peer: Peer) -> None:
        self._tell(lambda listener: listener.hello(name, hello, peer))
        if self.sessions.link(name) is peer:
            self.orders.resume(name)

    def _replaced(self, name: str, former: Peer, peer: Peer) -> None:
        self.counts["replaced"] += 1
        self._engine.note(
            name,
            "link replaced",
            f"by {peer.transport} from {peer.address}; the one by {former.transport} from {former.address} is closed",
        )
        former.close("replaced by a newer connection of this host")

    def _refuse(self, record: Record, message: Message, error: PowernapError) -> str:
        self.counts["refused"] += 1
        body: dict[str, Any] = {"ok": False, "error": str(error), **getattr(error, "told", {})}
        if isinstance(error, (Flood, NotNow)):
            body["again_seconds"] = round(error.again_seconds, 1)
        elif isinstance(error, RegistryError):
            body["again_seconds"] = _REGISTRY_AGAIN
        return self._seal(record, "ack", body, message.seq)

    def _tell(self, call: Callable[[HubListener], None]) -> None:
        for listener in self.listeners:
            try:
                call(listener)
            except Exception:  # noqa: BLE001  what one listener cannot bear must not keep a host from being heard
                _log.exception("a listener of the link failed")

    # Links

    def lost(self, peer: Peer, how: str = "the connection ended") -> None:
        """A peer that lasts is no more."""
        name = self.sessions.lost(peer)
        if not len(self.sessions):
            self._gone.set()
        if name is None or self._closed:
            return
        self.orders.lost(name)
        self._tell(lambda listener: listener.left(name, how, peer))

    def is_link(self, peer: Peer) -> bool:
        """Whether a host has said hello by it, and has no newer one."""
        return self.sessions.is_link(peer)

    def linked(self, name: str) -> Peer | None:
        """By which way the host can be reached now."""
        return self.sessions.link(name)

    def forget(self, name: str) -> None:
        """The host was forgotten, or has another key: nothing that it said before counts."""
        peer = self.sessions.forget(name)
        if peer is not None:
            self.orders.fail(name, f"{name} is no longer known by the key that it had")
            peer.close("this host is no longer known by the key that it had")
            self._tell(lambda listener: listener.left(name, "forgotten", peer))

    def forsake(self, name: str, why: str) -> None:
        """Its link is believed no more. Should the host be there after all, it is to say hello again."""
        peer, record = self.sessions.link(name), self._known(name)
        if peer is not None and record is not None:
            peer.send(self._bye(record, "silent", back_in(1, random.random())))
            peer.close(why)

    def _bye(self, record: Record, cause: str, again_seconds: float) -> str:
        body = {"cause": cause, "again_seconds": round(again_seconds, 1), "session": self.sessions.session(record.name)}
        return self._seal(record, "bye", body)

    async def close(self, seconds: float) -> None:
        """Say good-bye to all, and when to come back: not all at once. Returns when they have gone, or in that time."""
        self._closed = True
        self.orders.close()
        links = self.sessions.links()
        self._gone.clear()
        for name, peer in links:
            record = self._known(name)
            if record is not None:
                peer.send(self._bye(record, "stopping", back_in(len(links), random.random())))
            peer.close("powerwaked is stopping")
        if len(self.sessions):  # some ways end as they are closed
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._gone.wait(), seconds)

    # Out

    async def order(
        self, name: str, verb: str, arguments: Mapping[str, Any], by: str, valid_seconds: float = 30.0
    ) -> Done:
        """Returns when the host has said what became of it. Raises NotLinked, OrderLost, OrderLate."""
        if self._closed:
            raise OrderLost("powerwaked is stopping: ask again when it has started")
        if self.sessions.link(name) is None:
            raise NotLinked(f"{name} has no open link: see 'powerwake status {name}'")
        return await self.orders.give(name, verb, arguments, by, valid_seconds)

    def _send(self, name: str, body: dict[str, Any]) -> bool:
        """Send an order by the host's link; False where there is none."""
        peer, record = self.sessions.link(name), self._known(name)
        if peer is None or record is None:
            return False
        text = self._seal(record, "order", {**body, "session": self.sessions.session(name)})
        if len(text) > MOST_BYTES:
            raise BadMessage(f"an order of {len(text)} bytes: at most {MOST_BYTES} can be sent")
        peer.send(text)
        return True

    def _known(self, name: str) -> Record | None:
        try:
            return self._record(name)
        except RegistryError as error:
            _log.error("%s", error)
            return None

    def _seal(self, record: Record, kind: str, body: dict[str, Any], re: int | None = None) -> str:
        self._last_seq += 1
        return seal(record.key, TO_CLIENT, Message(record.name, kind, self._last_seq, body, re))

    # For people

    def status(self) -> dict[str, Any]:
        return {"links": len(self.sessions), "orders": len(self.orders), **self.counts}
