# SPDX-License-Identifier: GPL-3.0-or-later
"""Between logind and the engine: who forbids a sleep, that one begins or is over, and whether it came about."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, Protocol

from powernap.machine import clocks
from powernap.machine.dbus import BusError
from powernap.machine.logind import Hooks, Logind
from powernap.nap.events import ActionFailed, Event, GoingToSleep, Resumed
from powernap.nap.state import Ask, Phase, State
from powernap.shared.errors import PowernapError

_log = logging.getLogger("powernapd")
#: logind waits 5 s (InhibitDelayMaxSec) for who delays a sleep.
FOREIGN_SLEEP_SECONDS = 4.0
LONGEST_RECONNECT_SECONDS = 60.0


class Owner(Protocol):
    """What the guard needs of the daemon."""

    @property
    def state(self) -> State: ...
    def tell(self, event: Event) -> None: ...
    def look_soon(self) -> None: ...
    async def prepare_foreign(self, action: str) -> None: ...
    def spawn(self, work: Coroutine[Any, Any, Any]) -> None: ...


class SleepGuard:
    """Holds the connection to logind, and makes it anew when it is lost."""

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._gauge = clocks.SleepGauge()
        self._slept_at: float | None = None
        self._stopping = False
        self.logind = Logind(Hooks(self._sleeping, self._resumed, self._shutting_down, owner.look_soon, self._lost))
        self.error = "logind was not asked yet"

    async def start(self) -> None:
        """Connect to logind; where that fails, go on trying beside."""
        try:
            await self.logind.start()
            self.error = ""
        except BusError as error:
            self.error = str(error)
            _log.warning("%s", error)
            self._owner.spawn(self._reconnect())

    def close(self) -> None:
        self._stopping = True
        self.logind.close()

    async def held(self, action: str, ordered: bool) -> tuple[str, ...]:
        """Return who forbids the action, one sentence each; that logind cannot be asked forbids it, too."""
        try:
            inhibitors = await self.logind.inhibitors()
        except BusError as error:
            return (self.error or str(error),)
        return tuple(str(inhibitor) for inhibitor in inhibitors if inhibitor.holds(action, ordered))

    def notice_sleep(self) -> None:
        """Tell of a sleep that logind did not announce, by the clocks."""
        slept = self._gauge.slept()
        if slept and self._owner.state.ask is not Ask.ACTING:
            self._owner.tell(Resumed(slept, "seen by the clocks"))

    async def check(self) -> None:
        """A sleep should be under way: if it is not, say so to the engine."""
        try:
            if await self.logind.preparing():
                return
        except BusError as error:
            _log.warning("%s", error)
        state = self._owner.state
        if state.ask is not Ask.ACTING:
            return
        if state.phase is Phase.ASLEEP:
            self._owner.tell(Resumed(self._slept(), "noticed late"))
        else:
            self._owner.tell(ActionFailed(state.attempt, "logind took the order, but nothing came of it"))

    def _sleeping(self) -> None:
        self._gauge.slept()
        self._slept_at = clocks.now()
        self._owner.spawn(self._go_to_sleep())

    async def _go_to_sleep(self) -> None:
        if self._owner.state.ask is not Ask.ACTING:
            await self._bounded(self._owner.prepare_foreign("suspend"))
        self._owner.tell(GoingToSleep())
        self.logind.let_go()

    def _resumed(self) -> None:
        self._owner.spawn(self._wake_up())

    async def _wake_up(self) -> None:
        failure = await self.logind.suspend_failure()
        state = self._owner.state
        if failure and state.ask is Ask.ACTING:
            self._owner.tell(ActionFailed(state.attempt, failure))
        else:
            self._owner.tell(Resumed(self._slept(), "resume"))
        try:
            await self.logind.hold()
        except BusError as error:
            _log.warning("%s", error)

    def _slept(self) -> float:
        """By the clocks; where those show no gap (a sleep that is simulated), the time between logind's two signals."""
        gap = self._gauge.slept()
        between = clocks.now() - self._slept_at if self._slept_at is not None else 0.0
        self._slept_at = None
        return gap or between

    def _shutting_down(self) -> None:
        self._owner.spawn(self._shut_down())

    async def _shut_down(self) -> None:
        """Whoever ordered it: a machine that is off must be woken by magic packet."""
        if self._owner.state.ask is not Ask.ACTING:
            await self._bounded(self._owner.prepare_foreign("poweroff"))
        self.logind.let_go()

    async def _bounded(self, prepare: Coroutine[Any, Any, None]) -> None:
        try:
            await asyncio.wait_for(prepare, FOREIGN_SLEEP_SECONDS)
        except asyncio.TimeoutError:
            _log.warning("somebody else puts the machine to sleep, and the wake server could not be told in time")
        except PowernapError as error:
            _log.warning("somebody else puts the machine to sleep: %s", error)

    def _lost(self) -> None:
        self.error = "the connection to logind was lost"
        if not self._stopping:
            _log.warning("%s", self.error)
            self._owner.spawn(self._reconnect())

    async def _reconnect(self) -> None:
        wait = 1.0
        while not self._stopping:
            await asyncio.sleep(wait)
            try:
                await self.logind.start()
            except BusError as error:
                self.error = str(error)
                wait = min(2 * wait, LONGEST_RECONNECT_SECONDS)
                continue
            self.error = ""
            _log.info("connected to logind")
            self._owner.look_soon()
            return
