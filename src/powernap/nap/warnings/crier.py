# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells people by all ways at once. Each way has a lane of its own: one that hangs or fails delays no other.

Within a lane everything is said in order, so that a cancellation never overtakes its warning.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from powernap.machine import clocks
from powernap.nap.warnings.base import Notice, WarningMethod
from powernap.shared.errors import PowernapError

_log = logging.getLogger("powernapd")
#: A method ends its own work at its limit; one that does not is left alone this much later.
SPARE_SECONDS = 2.0

Spawn = Callable[[Coroutine[Any, Any, None]], Any]


class Crier:
    """``spawn`` runs something beside."""

    def __init__(self, methods: Iterable[WarningMethod], spawn: Spawn) -> None:
        self._lanes = tuple(_Lane(method, spawn) for method in methods)
        self._action = ""

    def warn(self, host: str, seconds: float, action: str, reason: str) -> None:
        """Say what comes in so many seconds."""
        self._action = action
        at = time.strftime("%H:%M", time.localtime(time.time() + seconds))
        self._say(Notice("warning", host, seconds, action, reason, at))

    def cancel(self, host: str, reason: str) -> None:
        """Say that it does not come."""
        self._say(Notice("cancelled", host, 0.0, self._action, reason))

    def _say(self, notice: Notice) -> None:
        for lane in self._lanes:
            lane.say(notice)

    async def settled(self, seconds: float) -> None:
        """Wait until everything is said, but no longer than that."""
        waiting = [lane.work for lane in self._lanes if lane.work is not None and not lane.work.done()]
        if waiting:
            await asyncio.wait(waiting, timeout=seconds)

    def as_list(self) -> list[dict[str, str]]:
        """Return each way and what it last failed with, or "", for people and programs."""
        return [{"name": lane.method.name, "kind": lane.method.kind, "error": lane.error} for lane in self._lanes]


class _Lane:
    """What one method has yet to say. ``error``: why the last one failed, or ""."""

    def __init__(self, method: WarningMethod, spawn: Spawn) -> None:
        self.method = method
        self.error = ""
        self._spawn = spawn
        self._waiting: deque[tuple[Notice, float]] = deque()
        self.work: asyncio.Future[None] | None = None

    def say(self, notice: Notice) -> None:
        """Put it behind what is being said. A warning that nobody heard yet needs no cancellation."""
        if notice.event == "cancelled" and self._waiting and self._waiting[-1][0].event == "warning":
            self._waiting.pop()
            return
        self._waiting.append((notice, clocks.now() + notice.seconds))
        if self.work is None or self.work.done():
            self.work = asyncio.get_running_loop().create_future()
            self._spawn(self._work(self.work))

    async def _work(self, done: asyncio.Future[None]) -> None:
        try:
            while self._waiting:
                notice, due = self._waiting.popleft()
                if notice.event == "warning" and clocks.now() > due + SPARE_SECONDS:
                    self._failed("the warning came too late to be told: the one before took too long")
                else:
                    await self._tell(notice)
        finally:
            if not done.done():
                done.set_result(None)

    async def _tell(self, notice: Notice) -> None:
        method = self.method
        try:
            await asyncio.wait_for(method.tell(method.worded(notice)), method.limit_seconds + SPARE_SECONDS)
        except asyncio.TimeoutError:
            self._failed(f"it took longer than {method.limit_seconds:g} s")
        except PowernapError as error:
            self._failed(str(error))
        except Exception as error:  # noqa: BLE001  # whatever it runs into: the next notice is told all the same
            self._failed(f"{type(error).__name__}: {error}")
        else:
            self.error = ""

    def _failed(self, reason: str) -> None:
        self.error = reason
        _log.warning("warning %s (%s) failed: %s", self.method.name, self.method.kind, reason)
