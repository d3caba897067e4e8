# SPDX-License-Identifier: GPL-3.0-or-later
"""Between the machine and the engine: what forbids a sleep, how one is ordered, that it begins or is over, and why."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Protocol

from powernap.config import NapConfig
from powernap.config.sections.inhibitors import InhibitorSettings
from powernap.config.sections.sleep import SleepSettings
from powernap.machine import clocks, power
from powernap.machine.dbus import BusError
from powernap.machine.logind import Hooks, Logind
from powernap.machine.power import PowerSupply
from powernap.nap.alarms import Alarms
from powernap.nap.background import beside
from powernap.nap.commit import TwoPhase
from powernap.nap.events import ActionFailed, Event, GoingToSleep, Resumed
from powernap.nap.inhibitors import Inhibitions
from powernap.nap.leases import Leases
from powernap.nap.policy import Policy
from powernap.nap.state import Ask, Phase, State
from powernap.shared.errors import PowernapError

_log = logging.getLogger("powernapd")
#: logind waits 5 s (InhibitDelayMaxSec) for who delays a sleep.
FOREIGN_SLEEP_SECONDS = 4.0
LONGEST_RECONNECT_SECONDS = 60.0


class Owner(Protocol):
    """What the guard needs of the daemon."""

    policy: Policy

    @property
    def state(self) -> State:
        pass

    def tell(self, event: Event) -> None:
        pass

    def look_soon(self) -> None:
        pass

    async def prepare_foreign(self, action: str) -> None:
        pass

    def spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        pass


class SleepGuard:
    """Holds the connection to logind, and makes it anew when it is lost."""

    def __init__(self, owner: Owner, root: Path = Path("/")) -> None:
        self._owner = owner
        self._root = root
        self._gauge = clocks.SleepGauge()
        self._slept_at: float | None = None
        self._stopping = False
        self._action = "suspend"
        self._in_kernel = False
        self._going_down = False
        self._announced = 0  # sleeps and shutdowns
        self._had_logind = False
        self._settings = SleepSettings()
        self._policy = InhibitorSettings()
        self._inhibitions = Inhibitions()
        self._ignored: tuple[str, ...] = ()
        #: who else puts the machine to sleep, and what keeps it from being woken, one sentence each
        self.conflicts: tuple[str, ...] = ()
        self._started = False
        self._two_phase = TwoPhase(root)
        self.alarms = Alarms(root)
        self.leases: Leases | None = None
        hooks = Hooks(
            self._sleeping, self._resumed, self._shutting_down, self._inhibitors_changed, self._lost, self._restarted
        )
        self.logind = Logind(hooks)
        self.error = "logind was not asked yet"

    def adopt(self, config: NapConfig, state_dir: Path) -> None:
        """Go by that configuration from now on; leases stay."""
        self._settings, self._policy = config.sleep, config.inhibitors
        self.alarms.settings = config.sleep
        if self.leases is None:
            self.leases = Leases(state_dir, self._owner.look_soon)
            self.leases.load(clocks.now())
        if self._started:
            self._owner.spawn(self._find_others())

    async def start(self) -> None:
        """Connect to logind; where that fails, go on trying beside."""
        self._started = True
        await self._start()
        self._owner.spawn(self._find_others())

    async def _start(self) -> None:
        try:
            await self._connect()
        except BusError as error:
            self.error = str(error)
            if self._directly():
                _log.info("there is no logind: sleeping by /sys/power/state")
                return
            _log.warning("%s", error)
            self._owner.spawn(self._reconnect())

    def close(self) -> None:
        """Give everything back; but the alarm of a machine that is switched off must outlive this daemon."""
        self._stopping = True
        if not self._going_down:
            self.alarms.clear()
        if self.leases is not None:
            self.leases.close()
        self.logind.close()

    # --- before a sleep

    async def held(self, action: str, ordered: bool) -> tuple[str, ...]:
        """Return what forbids the action, one sentence each; that it cannot be found out forbids it, too."""
        inhibited = await self._inhibited(action, ordered)
        if self.logind.connected and not self.logind.holding:
            await self._hold()
        due = await self.alarms.look(None if self._directly() else self.logind, ordered)
        return (*inhibited, *self.leased(), *due)

    async def inhibited(self, action: str) -> tuple[str, ...]:
        """Return who forbids the action now, leases apart: what people are told long before it is due."""
        return await self._inhibited(action, False)

    def leased(self) -> tuple[str, ...]:
        now = clocks.now()
        return tuple(lease.sentence(now) for lease in self.leases.current(now)) if self.leases is not None else ()

    @property
    def lease_limit(self) -> float:
        """The longest lease in seconds."""
        return self._policy.max_lease_seconds

    def notes(self) -> tuple[str, ...]:
        """Return what people should know of sleeps beside what holds them, one sentence each."""
        return (*self.conflicts, *self._ignored, *self.alarms.notes())

    async def power(self) -> PowerSupply:
        """Return mains or battery, lid and screens, by the files and by logind."""
        supply = await beside(lambda: power.read(self._root))
        try:
            return supply.completed(*await self.logind.surroundings())
        except BusError:
            return supply

    async def begin_commit(self) -> None:
        """Before the last look: from now on a wake-up event calls the sleep off. Raises PowernapError."""
        if self._settings.wakeup_count:
            await self._two_phase.begin()

    async def commit(self, action: str) -> None:
        """After the last look, right before the sleep. Raises PowernapError: then there must be none."""
        before = self._owner.state
        try:
            await self.alarms.set(action)
            if action != "poweroff":
                await self._two_phase.arm()
            state = self._owner.state
            if (state.ask, state.attempt) != (before.ask, before.attempt):
                raise PowernapError("somebody else put the machine to sleep meanwhile")
        except PowernapError:
            self.abandon()
            raise

    def abandon(self) -> None:
        """The sleep does not come about: take back what was set for it."""
        self._going_down = False
        self._two_phase.abandon()
        self.alarms.clear()

    async def order(self, action: str) -> None:
        """Order a sleep: from logind, or directly. Raises PowernapError."""
        self._action = action
        self._going_down = action == "poweroff"
        try:
            if self._directly():
                await self._sleep_directly(action)
            else:
                await self.logind.order(action, past_inhibitors=bool(self._ignored))
        except PowernapError:
            self.abandon()
            raise

    def _directly(self) -> bool:
        """A logind that was there and is gone is no reason to pass it by."""
        if self._settings.direct != "auto":
            return self._settings.direct == "always"
        return not self._had_logind and not (self._root / "run/systemd/system").is_dir()

    async def _sleep_directly(self, action: str) -> None:
        from powernap.machine import sleepdirect

        self._gauge.slept()
        self._slept_at = clocks.now()
        self._in_kernel = True
        self._owner.tell(GoingToSleep())
        try:
            await beside(lambda: sleepdirect.sleep(action, self._settings.mem_sleep, self._root))
        finally:
            self._in_kernel = False
        if action != "poweroff":
            self._owner.tell(self._woken("resume"))

    async def _inhibited(self, action: str, ordered: bool) -> tuple[str, ...]:
        if self._directly():
            return ()
        try:
            inhibitors = await self.logind.inhibitors()
        except BusError as error:
            return (self.error or str(error),)
        judgement = self._inhibitions.judge(inhibitors, action, ordered, self._policy, clocks.now())
        for sentence in judgement.ignored:
            if sentence.partition(" (ignored")[0] not in {old.partition(" (ignored")[0] for old in self._ignored}:
                _log.info("%s", sentence)
        self._ignored = judgement.ignored
        return judgement.held

    def _inhibitors_changed(self) -> None:
        self._owner.spawn(self._inhibited("suspend", False))  # notes when each began
        self._owner.look_soon()

    # --- during and after

    async def ending(self) -> str:
        """Return "poweroff" or "reboot" where somebody ends the machine's run, else ""."""
        return await self.logind.ending() if self._going_down else ""

    def notice_sleep(self) -> None:
        """Tell of a sleep that logind did not announce, by the clocks."""
        slept = self._gauge.slept()
        if slept and self._owner.state.ask is not Ask.ACTING:
            self._owner.tell(Resumed(slept, self.alarms.woken(slept) or "seen by the clocks"))

    async def check(self) -> None:
        """A sleep should be under way: if it is not, say so to the engine."""
        before = self._owner.state
        if self._in_kernel:
            return
        try:
            if await self.logind.preparing():
                return
        except BusError as error:
            _log.warning("%s", error)
        state = self._owner.state
        if (state.ask, state.phase, state.attempt) != (Ask.ACTING, before.phase, before.attempt):
            return  # it went on while logind was asked
        if state.phase is Phase.ASLEEP:
            self._owner.tell(self._woken("noticed late"))
        else:
            self.abandon()
            self._owner.tell(ActionFailed(state.attempt, "logind took the order, but nothing came of it"))

    def _sleeping(self) -> None:
        self._announced += 1
        self._gauge.slept()
        self._slept_at = clocks.now()
        self._owner.spawn(self._go_to_sleep())

    async def _go_to_sleep(self) -> None:
        if self._owner.state.ask is not Ask.ACTING:
            self._action = "suspend"
            await self._bounded(self._prepare_foreign("suspend"))
        self._owner.tell(GoingToSleep())
        self.logind.let_go()

    def _resumed(self) -> None:
        self._owner.spawn(self._wake_up())

    async def _wake_up(self) -> None:
        failure = await self.logind.failure(self._action)
        state = self._owner.state
        if failure and state.ask is Ask.ACTING:
            from powernap.machine import sleepdirect

            kernel = sleepdirect.failure(self._root)
            self.abandon()
            self._owner.tell(ActionFailed(state.attempt, failure + (f" ({kernel})" if kernel else "")))
        else:
            self._owner.tell(self._woken("resume"))
        await self._hold()

    def _woken(self, how: str) -> Resumed:
        slept = self._slept()
        self._two_phase.abandon()
        return Resumed(slept, self.alarms.woken(slept) or how)

    def _slept(self) -> float:
        """By the clocks; where those show no gap (a sleep that is simulated), the time between logind's two signals."""
        gap = self._gauge.slept()
        between = clocks.now() - self._slept_at if self._slept_at is not None else 0.0
        self._slept_at = None
        return gap or between

    def _shutting_down(self) -> None:
        self._announced += 1
        self._going_down = True
        self._owner.spawn(self._shut_down())

    async def _shut_down(self) -> None:
        """Whoever ordered it: a machine that is off must be woken by magic packet."""
        if self._owner.state.ask is not Ask.ACTING:
            await self._bounded(self._prepare_foreign("poweroff"))
        self.logind.let_go()

    async def _prepare_foreign(self, action: str) -> None:
        """Register, and beside it see to the jobs that must be woken for. Raises PowernapError."""
        await asyncio.gather(self._set_alarm(action), self._owner.prepare_foreign(action))

    async def _set_alarm(self, action: str) -> None:
        if self._owner.policy.never or self._owner.policy.observe:
            return
        try:
            await self.alarms.look(self.logind, ordered=True)
            await self.alarms.set(action)
        except PowernapError as error:
            _log.warning("%s", error)

    async def _bounded(self, prepare: Coroutine[Any, Any, None]) -> None:
        try:
            await asyncio.wait_for(prepare, FOREIGN_SLEEP_SECONDS)
        except asyncio.TimeoutError:
            _log.warning("somebody else puts the machine to sleep, and the wake server could not be told in time")
        except PowernapError as error:
            _log.warning("somebody else puts the machine to sleep: %s", error)

    async def _find_others(self) -> None:
        from powernap.nap import others

        self.conflicts = ()
        if any(step.sleeps for step in self._owner.policy.steps) and not self._owner.policy.never:
            await self.alarms.prepare()
        self.conflicts = await others.find(self._owner.policy, self.logind, self._root)

    # --- the connection

    async def _connect(self) -> None:
        """Raises BusError."""
        announced = self._announced
        under_way = await self.logind.start()
        self._had_logind = True
        self.error = ""
        if (
            under_way and announced == self._announced
        ):  # it began while nobody listened, such as after a kill right behind an order
            (self._sleeping if under_way == "sleep" else self._shutting_down)()

    async def _hold(self) -> None:
        try:
            await self.logind.hold()
        except BusError as error:
            _log.warning("%s", error)

    def _restarted(self) -> None:
        """A new logind knows nothing of our delay."""
        _log.info("logind was restarted")
        self.logind.let_go()
        self._owner.spawn(self._hold())
        self._owner.look_soon()

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
                await self._connect()
            except BusError as error:
                self.error = str(error)
                wait = min(2 * wait, LONGEST_RECONNECT_SECONDS)
                continue
            _log.info("connected to logind")
            self._owner.look_soon()
            return
