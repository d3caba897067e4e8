# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps the channel to the wake server: connects, says what is to be said, and hands on what is heard.

While it is linked by WebSocket and nothing is under way there is no timer, only the socket.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from powernap.config.sections import ServerSettings
from powernap.machine import clocks, lean
from powernap.nap.background import log_defect
from powernap.nap.link import keyfile, trust, wire
from powernap.nap.link.backoff import Backoff
from powernap.nap.link.health import Health
from powernap.nap.link.host import Host, LinkError
from powernap.nap.link.numbers import Numbers
from powernap.nap.link.posting import post
from powernap.nap.link.session import PRESENCE, STATE, Leaving, Order, Phase, Refused, Said, Session, Settled, Welcomed
from powernap.nap.link.socket import Socket
from powernap.nap.link.waiting import until
from powernap.nap.link.websocket import Declined, open_websocket
from powernap.shared.errors import PowernapError

_log = logging.getLogger("powernapd")
STATE_SECONDS = 0.2  #: States that follow one another faster are told as one.
RETURN_SECONDS = 600.0  #: After so long a WebSocket is tried again where only POST got through.
STALE_SECONDS = 60.0  #: A server that refuses a word so long after its welcome may have started anew.
LEASE_SHARE = 0.75  #: Part of the lease after which a client that has no connection says something.
WEBSOCKET, POST = "websocket", "post"


class Channel:
    """One for each configuration of [server]. ``health``: how it is."""

    def __init__(self, server: ServerSettings, name: str, state_dir: Path, host: Host) -> None:
        self.health = Health(server.url)
        self._server, self._name, self._host = server, name, host
        self._where = wire.address(server.url)
        self._trust: trust.Trust | None = None
        self._numbers = Numbers(state_dir)
        self._session = Session(name, "", self._numbers, above=self._numbers.above)
        self._socket: Socket | None = None
        self._backoff, self._again = Backoff(), Backoff()
        self._not_before, self._lease = 0.0, 3600.0
        self._declined_at: float | None = None
        self._stale = self._fresh = False
        self._wanted, self._call, self._moved = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._welcomed: asyncio.Future[str] | None = None
        self._answers: dict[Said, asyncio.Future[str]] = {}
        self._late: asyncio.TimerHandle | None = None
        self._soon: asyncio.TimerHandle | None = None
        self._retries: set[asyncio.TimerHandle] = set()
        self._task: asyncio.Task[None] | None = None

    # --- what is said

    def announce(self, cause: str, slept_seconds: float) -> None:
        """Say that this machine is awake until it is acknowledged: with a hello, where there is no link yet."""
        if slept_seconds:
            self._not_before = 0.0
        for answer in self._answers.values():
            if not answer.done():
                answer.set_result("it was called off meanwhile")
        self._session.put("awake", {"cause": cause, "slept_seconds": round(slept_seconds, 3)}, PRESENCE)
        self._wanted.set()
        self._begin()
        self._push()

    async def ask(self, kind: str, content: Mapping[str, Any]) -> None:
        """Say where this machine is (PRESENCE), and wait for the acknowledgement. Raises LinkError."""
        loop = asyncio.get_running_loop()
        seconds = self._server.timeout_seconds
        ends = loop.time() + seconds
        said = self._session.put(kind, content, PRESENCE)
        answer: asyncio.Future[str] = loop.create_future()
        self._answers[said] = answer
        try:
            if self.health.by or self._server.link == WEBSOCKET:
                self._wanted.set()
                self._begin()
                self._push()
                share = 1.0 if self._server.link == WEBSOCKET else 0.5
                await asyncio.wait((answer,), timeout=share * seconds)
            if not answer.done() and self._server.link != WEBSOCKET:
                await self._alone(said, kind, max(0.1, ends - loop.time()))
            unheard = (not self.health.by and self.health.error) or f"no answer within {seconds:g} s"
            error = answer.result() if answer.done() else unheard
        except PowernapError as failure:
            error = str(failure)
        finally:
            self._answers.pop(said, None)
            self._session.drop(said)
        if kind == "asleep" and not error:
            self._wanted.clear()  # a new hello would say that it is awake after all
        if error:
            self.health.failed(error)
            raise LinkError(f"the wake server {self.health.url} does not acknowledge: {error}")

    async def _alone(self, said: Said, kind: str, seconds: float) -> None:
        """Send one message by POST, whatever became of the link. No hello may come behind it."""
        self._wanted.clear()
        self._cut()
        try:
            self._prepare()
            await self._exchange(self._session.send(said), seconds)
        finally:
            if kind != "asleep":
                self._wanted.set()
                self._begin()

    def tell(self, kind: str, content: Mapping[str, Any], slot: str) -> None:
        """Say something until it is acknowledged, or something newer is in its slot."""
        self._session.put(kind, content, slot)
        self._push()

    def changed(self) -> None:
        """The machine's state is another."""
        if self.health.by and self._soon is None:
            self._soon = asyncio.get_running_loop().call_later(STATE_SECONDS, self._say_state)

    def _say_state(self) -> None:
        self._soon = None
        if self.health.by:
            self.tell("state", self._host.standing(), STATE)

    async def settled(self, seconds: float) -> None:
        """Wait until all that was said over the link is answered, or time is over."""
        await until(
            self._moved, lambda: not self.health.by or not (self._session.unanswered or self._session.unsaid), seconds
        )

    # --- its life

    def sleeping(self) -> None:
        """The machine stops in a moment: nobody answers on this connection from then on."""
        self._wanted.clear()
        self._cut()

    async def end(self, cause: str) -> None:
        """Say farewell, and what is still to be said, for as long as the wake server has to answer."""
        if self._session.pending(PRESENCE) is not None and not self.health.by:
            self._not_before = 0.0
            self._wanted.set()
            self._begin()
            self._call.set()
        seconds = self._server.timeout_seconds
        await until(self._moved, lambda: self._session.pending(PRESENCE) is None, seconds)
        if self.health.by:
            self.tell("bye", {"cause": cause}, "bye")
            await self.settled(seconds)
        self.close()

    def close(self) -> None:
        """End it now."""
        self.sleeping()
        for timer in (self._soon, *self._retries):
            if timer is not None:
                timer.cancel()
        self._soon, self._retries = None, set()

    def _begin(self) -> None:
        if self._task is None or self._task.done():
            self._task = asyncio.ensure_future(self._run())
            self._task.add_done_callback(log_defect)

    def _cut(self) -> None:
        """Give up what is being tried, or the link as it is."""
        task, self._task = self._task, None
        self._close_socket()
        if task is not None:
            task.cancel()
        self._unlinked()

    async def _run(self) -> None:
        while True:
            await self._wanted.wait()
            self._call.clear()
            at_least = 0.0
            try:
                await self._link()
            except Declined as error:
                at_least = error.again_seconds
                self.health.failed(str(error))
            except PowernapError as error:
                self.health.failed(str(error))
            self._unlinked()
            if not self._wanted.is_set():
                continue
            self._call.clear()  # what was to be said before this failed waits as everybody does
            self._not_before = max(self._not_before, clocks.now() + at_least)
            await self._pause(self._backoff.next())

    async def _pause(self, seconds: float) -> None:
        """Wait, in any case as long as the server asked for; beyond that until there is something to say."""
        while (left := self._not_before - clocks.now()) > 0:
            self.health.next_try = self._not_before
            await asyncio.sleep(left)
        self.health.next_try = clocks.now() + seconds
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._call.wait(), seconds)
        self.health.next_try = None

    async def _link(self) -> None:
        """Be linked until that ends. Raises PowernapError."""
        self._prepare()
        way, now = self._server.link, clocks.now()
        lately = self._declined_at is not None and now - self._declined_at < RETURN_SECONDS
        if way != POST and not (way == "auto" and lately):
            try:
                await self._by_websocket()
            except Declined as error:
                if way == WEBSOCKET or error.for_all_ways:
                    raise
                self._declined_at = now
                _log.debug("trying the wake server by POST: %s", error)
            else:
                return
        await self._by_post()

    def _prepare(self) -> None:
        """Read the key and the CA: both may be new. Raises PowernapError."""
        self._session.key = keyfile.read(self._server.key_file)
        if self._where.tls:
            self._trust = trust.load(self._server.ca_file)
            self.health.fingerprint = self._trust.fingerprint

    async def _greet(self, more: Mapping[str, Any]) -> str:
        body = await self._host.greeting()
        greeted = self._session.pending(PRESENCE)
        if greeted is not None and greeted.kind != "awake":
            # Said to be awake, it would not be stood in for by what was registered before.
            greeted, body = None, {**body, "state": "napping"}
        said = {"cause": "linked", "slept_seconds": 0.0, **(greeted.body if greeted is not None else {})}
        return self._session.hello({**body, **said, **more}, clocks.now(), greeted)

    async def _by_websocket(self) -> None:
        socket = await open_websocket(self._where, self._trust, self._server.timeout_seconds)
        await self._by_socket(WEBSOCKET, socket)

    async def _by_socket(self, by: str, socket: Socket, **more: Any) -> None:
        """Be linked by that. ``more``: what its hello says beside. Raises PowernapError when it ends."""
        seconds = self._server.timeout_seconds
        over: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        socket.lost = lambda why: None if over.done() else over.set_result(why)
        socket.heard = self._heard
        try:
            self._socket = socket
            text = await self._greet(more)
            self._welcomed = welcomed = asyncio.get_running_loop().create_future()
            socket.send(text)
            await asyncio.wait((over, welcomed), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if welcomed.done():
                self._begun(by, welcomed.result())
            elif not over.done():
                raise Declined(f"nobody says welcome by {by} within {seconds:g} s", 0)
            raise LinkError(await over)
        finally:
            socket.close()  # what else there was is seen to by whoever cancelled this

    async def _by_post(self) -> None:
        seconds = self._server.timeout_seconds
        text = await self._greet({})
        self._welcomed = welcomed = asyncio.get_running_loop().create_future()
        await self._exchange(text, seconds)
        if not welcomed.done():
            raise LinkError("it does not say welcome: is it a powerwaked?")
        self._begun(POST, welcomed.result())
        while self._wanted.is_set():
            self._call.clear()
            while (word := self._session.one()) is not None:
                await self._exchange(word, seconds)
            if self._stale:
                raise LinkError("it wants a new hello, as it has started anew")
            if self._declined_at is not None and clocks.now() - self._declined_at >= RETURN_SECONDS:
                return  # a WebSocket is tried again, as there was something to say anyway
            try:
                await asyncio.wait_for(self._call.wait(), LEASE_SHARE * self._lease)
            except asyncio.TimeoutError:
                self._session.put("state", self._host.standing(), STATE)

    def _begun(self, by: str, error: str) -> None:
        """Raises LinkError where the hello was refused."""
        if error:
            raise LinkError(error)
        self.health.linked(by, clocks.now(), self._trust.untimely if self._trust is not None else "")
        self._stale, self._fresh = False, True
        self._backoff.over()
        self._session.put("state", self._host.standing(), STATE)
        self._push()

    def _unlinked(self) -> None:
        self._moved.set()
        self.health.unlinked()
        self._welcomed = None
        self._session.lost()
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _close_socket(self, why: str = "this machine ended the link") -> None:
        socket, self._socket = self._socket, None
        if socket is not None:
            socket.close(why)

    # --- to and fro

    async def _exchange(self, text: str, seconds: float) -> None:
        for line in await post(self._where, self._trust, seconds, text):
            self._heard(line)

    def _push(self) -> None:
        """Send what waits, over the link or with the next try to have one."""
        self._call.set()
        if self._socket is None or self._session.phase is not Phase.OPEN:
            return
        try:
            for text in self._session.outgoing():
                self._socket.send(text)
        except PowernapError as error:
            self._close_socket(str(error))
        self._watch_answers()

    def _watch_answers(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None
        if self.health.by not in ("", POST) and self._session.unanswered:
            self._late = asyncio.get_running_loop().call_later(self._server.timeout_seconds, self._unanswered)

    def _unanswered(self) -> None:
        self._late = None
        self._close_socket(f"no answer within {self._server.timeout_seconds:g} s")

    def _heard(self, text: str) -> None:
        self._moved.set()
        event = self._session.received(text, clocks.now())
        if isinstance(event, Welcomed):
            self._lease = event.lease_seconds
            self.health.answered("", clocks.now())
            if self._welcomed is not None and not self._welcomed.done():
                self._welcomed.set_result("")
            if event.woken_for is not None:
                self._host.woken_for(event.woken_for)
        elif isinstance(event, Settled):
            self._settled(event)
            self._watch_answers()
            if self._fresh and not self._session.unanswered:
                self._fresh = False
                lean.let_code_go()  # of TLS, whose beginning is over
        elif isinstance(event, (Order, Refused)):
            self._host.ordered(event)
            if isinstance(event, Refused) and event.clocks:
                self._close_socket("a clock was set")  # the next welcome tells how they stand
        elif isinstance(event, Leaving):
            self._not_before = clocks.now() + event.again_seconds
            if event.unheard:
                self._close_socket("the wake server takes this machine for gone")
        else:
            _log.debug("not believed: %s", event.why)

    def _settled(self, event: Settled) -> None:
        said = event.said
        self.health.answered(event.error, clocks.now())
        if event.again_seconds and said is None:
            self._not_before = clocks.now() + event.again_seconds
        if said is None:
            if event.name and event.name != self._name:
                self._host.renamed(event.name)
            if self._welcomed is not None and not self._welcomed.done():
                self._welcomed.set_result(event.error)
        elif said in self._answers:
            if not self._answers[said].done():
                self._answers[said].set_result(event.error)
        elif not event.error:
            self._again.over()
            if said.kind == "done":
                self._host.heard_of(str(said.body.get("order")))
        elif self.health.by == POST and said.kind in ("state", "done"):
            self._stale = self.health.since is not None and clocks.now() - self.health.since > STALE_SECONDS
        elif said.kind in ("awake", "done"):
            self._say_again(said, event.again_seconds)

    def _say_again(self, said: Said, at_least: float) -> None:
        """It was refused, perhaps for want of space on the server's disk; unless there is a newer word by then."""

        def again() -> None:
            self._retries.discard(timer)
            if self._session.pending(said.slot) is None:
                self.tell(said.kind, said.body, said.slot)

        timer = asyncio.get_running_loop().call_later(self._again.next(at_least), again)
        self._retries.add(timer)
