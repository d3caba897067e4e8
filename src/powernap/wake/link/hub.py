# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the messages of all transports come together: checked, acted upon, answered; and orders go out."""

from __future__ import annotations

from typing import Any, Protocol

from powernap.shared.errors import PowernapError
from powernap.wake.link.words import Done, Hello, Said

LEASE_SECONDS = 3600


class NotLinked(PowernapError):
    """A host without an open link: no order reaches it."""


class OrderLost(PowernapError):
    """The link went before the host said what became of the order: it may have been done, or not."""


class OrderLate(PowernapError):
    """The host did not say in time what became of the order."""


class Stranger(PowernapError):
    """A message that no host known here has signed; nothing is answered but this sentence."""


class Peer(Protocol):
    """One way to a host. ``lasts``: messages may be sent by it at any time (a WebSocket, a broker's topic).

    ``send`` and ``close`` return at once, and bound what waits. Where the peer lasts ``Hub.lost`` is told of its end.
    """

    transport: str
    address: str
    lasts: bool

    def send(self, text: str) -> None: ...

    def close(self, why: str) -> None: ...


class HubListener:
    """What others want to hear of hosts; all are called on the event loop, and must return at once."""

    def hello(self, name: str, hello: Hello, peer: Peer) -> None:
        """A host has said hello, and was welcomed."""

    def said(self, name: str, said: Said) -> None:
        """A host has said what it does."""

    def left(self, name: str, how: str, peer: Peer) -> None:
        """The link of a host has ended: it has none now. ``how``: one sentence."""

    def bye(self, name: str, cause: str) -> None:
        """A host has said that it goes: stopped, poweroff, reboot, reload."""


class Hub:
    """``listeners``: whoever wants to hear of hosts."""

    def __init__(self) -> None:
        self.listeners: list[HubListener] = []

    async def receive(self, peer: Peer, text: bytes) -> str | None:
        """Check a message, act, and answer: by ``peer.send`` where it lasts, else with what is returned.

        Raises BadMessage where it cannot be read, Stranger where nobody known here signed it; nothing was done then.
        """
        raise NotImplementedError

    def lost(self, peer: Peer, how: str = "the connection ended") -> None:
        """A peer that lasts is no more."""

    def linked(self, name: str) -> Peer | None:
        """By which way the host can be reached now."""
        return None

    async def order(
        self, name: str, verb: str, arguments: dict[str, Any], by: str, valid_seconds: float = 30.0
    ) -> Done:
        """Returns when the host has said what became of it. Raises NotLinked, OrderLost, OrderLate."""
        raise NotLinked(f"{name} has no open link")
