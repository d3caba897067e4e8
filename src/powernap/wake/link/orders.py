# SPDX-License-Identifier: GPL-3.0-or-later
"""Orders that have gone out by a link, and who waits for what became of them."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from powernap.shared.errors import PowernapError
from powernap.wake.clock import steady
from powernap.wake.link.words import Done

#: Beyond the time for which an order is valid: the host has to carry it out, and to say so.
ANSWER_SECONDS = 15.0
LONGEST_VALID = 3600.0


class NotLinked(PowernapError):
    """A host without an open link: no order reaches it."""


class OrderLost(PowernapError):
    """The link went before the host said what became of the order: it may have been done, or not."""


class OrderLate(PowernapError):
    """The host did not say in time what became of the order."""


@dataclass
class _Given:
    name: str
    body: dict[str, Any]
    until: float
    done: asyncio.Future[Done]
    away: bool = False


class LinkOrders:
    """``send(name, body)``: by the host's present link, in its present session; False where it has none.

    An order whose link ends before it was answered is sent again, under the same id, when the host is back while it is
    still valid: the host does it once, and answers as it did.
    """

    def __init__(self, send: Callable[[str, dict[str, Any]], bool]) -> None:
        self._send = send
        self._given: dict[str, _Given] = {}
        self._of: dict[str, set[str]] = {}

    async def give(self, name: str, verb: str, arguments: Mapping[str, Any], by: str, valid_seconds: float) -> Done:
        """Returns what became of it. Raises NotLinked, OrderLost, OrderLate."""
        valid = min(max(valid_seconds, 1.0), LONGEST_VALID)
        order = secrets.token_hex(16)
        body = {
            "id": order,
            "verb": verb,
            "arguments": dict(arguments),
            "time": steady(),
            "valid_seconds": valid,
            "by": by,
        }
        given = _Given(name, body, time.monotonic() + valid, asyncio.get_running_loop().create_future())
        if not self._send(name, body):
            raise NotLinked(f"{name} has no open link: see 'powerwake status {name}'")
        self._given[order] = given
        self._of.setdefault(name, set()).add(order)
        try:
            return await asyncio.wait_for(given.done, valid + ANSWER_SECONDS)
        except asyncio.TimeoutError:
            if given.away:
                raise OrderLost(f"the link to {name} ended before it said what became of '{verb}'") from None
            raise OrderLate(
                f"{name} did not say within {valid + ANSWER_SECONDS:.0f} s what became of '{verb}'"
            ) from None
        finally:
            del self._given[order]
            of = self._of.get(name, set())
            of.discard(order)
            if not of:
                self._of.pop(name, None)

    def done(self, name: str, order: str, done: Done) -> None:
        """A host says what became of an order; nobody may wait for it any more."""
        given = self._given.get(order)
        if given is not None and given.name == name and not given.done.done():
            given.done.set_result(done)

    def lost(self, name: str) -> None:
        """The host has no link now."""
        for given in self._waiting(name):
            given.away = True
            left = max(0.0, given.until - time.monotonic())
            asyncio.get_running_loop().call_later(left, self._give_up, given)

    def _give_up(self, given: _Given) -> None:
        if given.away and not given.done.done():
            name, verb = given.name, given.body["verb"]
            given.done.set_exception(
                OrderLost(f"the link to {name} ended before it said what became of '{verb}', and it did not come back")
            )

    def resume(self, name: str) -> None:
        """The host has a link again."""
        for given in self._waiting(name):
            if given.away and time.monotonic() < given.until:
                given.away = not self._send(name, given.body)

    def fail(self, name: str, why: str) -> None:
        for given in self._waiting(name):
            given.done.set_exception(OrderLost(why))

    def close(self) -> None:
        for name in tuple(self._of):
            self.fail(name, "powerwaked is stopping: the order may have been done, or not")

    def _waiting(self, name: str) -> list[_Given]:
        found = [self._given[order] for order in self._of.get(name, ()) if order in self._given]
        return [given for given in found if not given.done.done()]

    def __len__(self) -> int:
        return len(self._given)
