# SPDX-License-Identifier: GPL-3.0-or-later
"""One timer for the leases of all sleepers: the next deadline is the first of an index on disk."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from powernap.wake.clock import clock
from powernap.wake.registry import Registry, RegistryError

_log = logging.getLogger(__name__)
_NEVER = float("inf")
_AT_ONCE = 100
_PAUSE_SECONDS = 0.05
_AGAIN_SECONDS = 30.0


class Leases:
    """`ended(name)` is called once for each deadline."""

    def __init__(self, registry: Registry, ended: Callable[[str], None]) -> None:
        self._registry = registry
        self._ended = ended
        self._done: tuple[float, int] = (-_NEVER, 0)
        self._armed_for = _NEVER
        self._timer: asyncio.TimerHandle | None = None

    def open(self) -> None:
        self._arm(self._first())

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def saved(self, due: float) -> None:
        """A deadline that is about to be on disk."""
        if due == _NEVER:
            return
        if due <= self._done[0]:
            self._done = (due - 1.0, 0)  # before what has been dealt with: look there again
        if due < self._armed_for:
            self._arm(due)

    def _first(self) -> float:
        found = self._registry.due(*self._done, _NEVER, 1)
        return found[0][0] if found else _NEVER

    def _arm(self, due: float) -> None:
        self.close()
        self._armed_for = due
        if due != _NEVER:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(max(_PAUSE_SECONDS, due - clock()), self._look)

    def _look(self) -> None:
        try:
            found = self._registry.due(*self._done, clock(), _AT_ONCE)
        except RegistryError as error:
            _log.error("%s", error)
            self._arm(clock() + _AGAIN_SECONDS)
            return
        for due, number, _name in found:
            self._done = (due, number)
        for _due, _number, name in found:
            self._ended(name)
        try:
            self._arm(self._first())
        except RegistryError as error:
            _log.error("%s", error)
            self._arm(clock() + _AGAIN_SECONDS)
