# SPDX-License-Identifier: GPL-3.0-or-later
"""Carries what this machine has to say to its wake server. Without one nothing of the channel is imported."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from powernap.config.sections import ServerSettings
from powernap.machine import clocks
from powernap.shared.errors import PowernapError

if TYPE_CHECKING:
    from powernap.nap.link.channel import Channel
    from powernap.nap.link.host import Host


_log = logging.getLogger("powernapd")


class Courier:
    """Speaks by the channel; to nobody where no wake server is configured."""

    def __init__(self, server: ServerSettings, name: str, state_dir: Path, host: Callable[[], Host]) -> None:
        """``host``: asked for where there is a channel."""
        self.url = server.where
        self._server, self._name, self._state_dir, self._host = server, name, state_dir, host
        self._channel: Channel | None = None
        self._retired = False
        self._lacks = ""  #: why nothing can be said

    async def register(self, content: Mapping[str, Any]) -> None:
        """Say that this machine is about to sleep. Raises PowernapError unless it is acknowledged."""
        await self._open().ask("asleep", content)

    async def rehearse(self) -> None:
        """Find out whether the wake server hears us, knows us and writes down what we say. Raises PowernapError."""
        await self._open().ask("awake", {"cause": "rehearsal", "slept_seconds": 0.0})

    def announce(self, cause: str, slept_seconds: float) -> None:
        """Say that this machine is awake, again and again until it is acknowledged. A newer word replaces it."""
        if self._channel is not None:
            self._announce(cause, slept_seconds)
        elif self.url:  # what is imported first must not keep powernapd from being ready
            asyncio.get_running_loop().call_soon(self._announce, cause, slept_seconds)

    def _announce(self, cause: str, slept_seconds: float) -> None:
        if self._retired:
            return
        try:
            self._open().announce(cause, slept_seconds)
        except PowernapError as error:
            _log.error("%s", error)

    def changed(self) -> None:
        """The state of the machine is another."""
        if self._channel is not None:
            self._channel.changed()

    def tell_done(self, content: Mapping[str, Any]) -> None:
        """Say what became of an order."""
        if self._channel is not None and not self._retired:
            self._channel.tell("done", content, f"done {content['order']}")

    def sleeping(self) -> None:
        """The machine stops in a moment; an announcement follows when it runs again."""
        if self._channel is not None:
            self._channel.sleeping()

    async def settled(self, seconds: float) -> None:
        """Wait until all that was said is answered, or time is over."""
        if self._channel is not None:
            await self._channel.settled(seconds)

    def retire(self) -> None:
        """Another one takes over: what is still to be said is not, but farewell."""
        self._retired = True
        if self._channel is not None:
            self._channel.tell("bye", {"cause": "reload"}, "bye")
            self._channel.close()

    async def end(self, cause: str = "stopped") -> None:
        """Say what is still to be said, and farewell; for as long as the wake server has to answer."""
        if self._channel is not None and not self._retired:
            await self._channel.end(cause)

    def as_dict(self) -> dict[str, Any]:
        """Times are seconds ago, or from now."""
        channel = self._channel
        if channel is None:
            return {"url": self.url, "acknowledged": False if self._lacks else None, "error": self._lacks}
        return {"url": self.url, **channel.health.as_dict(clocks.now())}

    def _open(self) -> Channel:
        """Raises PowernapError where a library is missing."""
        if self._channel is None:
            try:
                made = self._make()
            except ModuleNotFoundError as error:
                self._lacks = (
                    f"the wake server cannot be spoken to, as Python's {error.name} is missing: install it, as with "
                    "'apt-get install python3-wsproto', and restart powernapd"
                )
                raise PowernapError(self._lacks) from None
            self._channel = made(self._server, self._name, self._state_dir, self._host())
        return self._channel

    def _make(self) -> type[Channel]:
        if self._server.by_broker:
            from powernap.nap.link.brokerchannel import BrokerChannel

            return BrokerChannel
        from powernap.nap.link.channel import Channel

        return Channel
