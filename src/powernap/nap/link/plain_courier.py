# SPDX-License-Identifier: GPL-3.0-or-later
"""Carries requests of the first API to a wake server that is known by http:// alone; the channel takes its place."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from powernap.config.sections import ServerSettings
from powernap.nap.background import beside
from powernap.shared.errors import PowernapError

if TYPE_CHECKING:
    from powernap.nap.link.plain import Link

_log = logging.getLogger("powernapd")
FIRST_RETRY_SECONDS = 1.0
LONGEST_RETRY_SECONDS = 300.0
#: So often "awake" is tried while powernapd ends, one FIRST_RETRY_SECONDS after the other.
LAST_TRIES = 2
#: Beyond the time limit of each step of a connection: name resolution has none of its own.
SLACK_SECONDS = 10.0


class PlainCourier:
    """``acknowledged``: whether the last message was (None: none was sent); ``error``: why not."""

    def __init__(self, server: ServerSettings, state_dir: Path, turn: asyncio.Lock | None = None) -> None:
        """``turn``: shared with the couriers before and after, so that no word overtakes another."""
        self.url = server.url
        self.acknowledged: bool | None = None
        self.error = ""
        self._server = server
        self._state_dir = state_dir
        self._link: Link | None = None
        self._turn = turn or asyncio.Lock()
        self._retired = False
        self._ending = asyncio.Event()
        self._announcing: asyncio.Task[None] | None = None
        self._sending: set[asyncio.Task[None]] = set()

    async def register(self, content: Mapping[str, Any]) -> None:
        """Say that this machine is about to sleep. Raises PowernapError unless it is acknowledged."""
        self.stop()
        await self._send("asleep", content)

    def announce(self, cause: str, slept_seconds: float) -> None:
        """Say that this machine is awake, again and again until it is acknowledged. A newer word replaces it."""
        self.stop()
        if self.url:
            content = {"cause": cause, "slept_seconds": round(slept_seconds, 3)}
            self._announcing = asyncio.ensure_future(self._announce(content))

    def stop(self) -> None:
        """Give up announcing."""
        if self._announcing is not None:
            self._announcing.cancel()
            self._announcing = None

    async def rehearse(self) -> None:
        """Find out whether the wake server hears us, knows us and writes down what we say. Raises PowernapError."""
        await self._send("awake", {"cause": "rehearsal", "slept_seconds": 0.0})

    def retire(self) -> None:
        """Another one takes over: what is still to be sent is not."""
        self.stop()
        self._retired = True

    def changed(self) -> None:
        """This server is not told of states."""

    def sleeping(self) -> None:
        """There is no connection to close."""

    def tell_done(self, content: Mapping[str, Any]) -> None:
        """This server gives no orders."""

    async def settled(self, seconds: float) -> None:
        """Nothing is said that anybody waits for."""

    def as_dict(self) -> dict[str, Any]:
        return {"url": self.url, "acknowledged": self.acknowledged, "error": self.error, "link": ""}

    async def end(self, _cause: str = "stopped") -> None:
        """Give the last announcement LAST_TRIES, then give up."""
        self._ending.set()
        if self._announcing is not None:
            await asyncio.wait([self._announcing], timeout=self._server.timeout_seconds)
        self.stop()

    async def _announce(self, content: Mapping[str, Any]) -> None:
        wait = FIRST_RETRY_SECONDS
        last_tries = LAST_TRIES
        while True:
            ending = self._ending.is_set()
            try:
                await self._send("awake", content)
            except PowernapError as error:
                _log.log(
                    logging.WARNING if wait == FIRST_RETRY_SECONDS else logging.DEBUG,
                    "could not tell the wake server that this machine is awake, trying again: %s",
                    error,
                )
                last_tries -= ending
                if not last_tries:
                    return
                if ending:
                    await asyncio.sleep(FIRST_RETRY_SECONDS)
                else:
                    await self._pause(wait)
                wait = min(2 * wait, LONGEST_RETRY_SECONDS)
                continue
            _log.info("told the wake server that this machine is awake (%s)", content["cause"])
            return

    async def _pause(self, seconds: float) -> None:
        """Wait for the next try; not while powernapd ends."""
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._ending.wait(), seconds)

    async def _send(self, verb: str, content: Mapping[str, Any]) -> None:
        """Send in turn. Shielded: a message that is on its way must be over before the next may overtake it."""
        task = asyncio.ensure_future(self._send_in_turn(verb, content))
        self._sending.add(task)
        task.add_done_callback(self._sent)
        await asyncio.shield(task)

    def _sent(self, task: asyncio.Task[None]) -> None:
        self._sending.discard(task)
        error = None if task.cancelled() else task.exception()
        self.acknowledged, self.error = error is None, str(error or "")

    async def _send_in_turn(self, verb: str, content: Mapping[str, Any]) -> None:
        async with self._turn:
            if self._retired:
                raise PowernapError("the configuration was read again meanwhile")
            try:
                await asyncio.wait_for(
                    beside(lambda: self._connect().send(verb, content)),
                    2 * self._server.timeout_seconds + SLACK_SECONDS,
                )
            except asyncio.TimeoutError as error:
                raise PowernapError(
                    f"the wake server {self.url} did not answer in time: is the name in server.url resolved?"
                ) from error

    def _connect(self) -> Link:
        if self._link is None:
            from powernap.nap.link.plain import Link  # brings http.client, which costs memory

            server = self._server
            self._link = Link(server.url, server.name, server.key_file, self._state_dir, server.timeout_seconds)
        return self._link
