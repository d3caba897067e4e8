# SPDX-License-Identifier: GPL-3.0-or-later
"""powernapd at work: feeds the engine with events, carries its effects out, and sleeps until the next deadline.

What it is asked and ordered to do is in daemon.py.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Coroutine
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from powernap.config.sections import HistorySettings, ServerSettings
from powernap.machine import clocks, ownlinks, sdnotify
from powernap.nap import override, setup
from powernap.nap.background import beside, log_defect
from powernap.nap.courier import Courier
from powernap.nap.decisions import Decisions, in_effect, journal_fields
from powernap.nap.doing import Doing
from powernap.nap.engine import step
from powernap.nap.enrolling import Enrolling
from powernap.nap.events import (
    Acknowledged,
    Act,
    Announce,
    Answer,
    CancelWarning,
    Effect,
    Event,
    GoingToSleep,
    Look,
    LookAt,
    Record,
    Recover,
    Refused,
    Register,
    Rehearse,
    Undo,
    Warn,
)
from powernap.nap.evidence import Reading
from powernap.nap.history import History
from powernap.nap.looktimer import LookTimer
from powernap.nap.planning import alone
from powernap.nap.policy import policy_of
from powernap.nap.preparation import Preparation
from powernap.nap.recording import Recorder
from powernap.nap.regaining import Regaining
from powernap.nap.setup import Parts
from powernap.nap.sincewake import SinceWake
from powernap.nap.sleepguard import SleepGuard
from powernap.nap.state import Ask, State, begin, next_step, wants_holds
from powernap.nap.surroundings import SurroundingsReader
from powernap.nap.warnings.crier import Crier
from powernap.shared.errors import PowernapError
from powernap.shared.virtual import Virtualization

if TYPE_CHECKING:
    from powernap.nap.linked import Linked

_log = logging.getLogger("powernapd")
#: Shortest time between looks that a monitor's call brings about: while activity must be noticed at once, and else.
ATTENTIVE_GAP_SECONDS = 0.05
CALL_GAP_SECONDS = 1.0
#: Longest time to find out who forbids a sleep.
HELD_SECONDS = 10.0
#: For what is still to be told to people when the daemon ends.
LAST_WORDS_SECONDS = 3.0
#: The next look after one that ran into a defect.
RESCUE_SECONDS = 60.0


class Running:
    """Owns the state; everything that happens goes through ``tell``, one event after the other."""

    def __init__(self, parts: Parts, path: Path, state_dir: Path, virtualization: Virtualization) -> None:
        ordered = override.read(state_dir)
        self._override = ordered if ordered is not None and parts.config.include == (ordered.profile,) else None
        self._path = path
        self._state_dir = state_dir
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[Any]] = set()
        self.looks = LookTimer(self._loop, lambda: self.spawn(self._look_in_time()))
        self._looking = asyncio.Lock()
        self._readings: tuple[Reading, ...] = ()
        self._held: tuple[str, ...] = ()
        self.refused = ""  #: what is wrong with the configuration that was to be read again, or ""
        self._ordered: asyncio.Future[Answer] | None = None
        self._event: Event | None = None
        self.decisions = Decisions()
        self.recorder: Recorder | None = None
        self.state = begin(clocks.now())
        self.guard = SleepGuard(self)
        self._doing = Doing(self.guard, state_dir, self.tell)
        self._surroundings = SurroundingsReader(self._loop, self.look_soon)
        self.linked: Linked | None = None
        self._served: ServerSettings | None = None
        self.courier: Courier
        self._since_wake, self._regaining = SinceWake(), Regaining(state_dir, self.spawn)
        self.enrolling = Enrolling(path, state_dir, self._now_managed)
        self._adopt(parts, virtualization)

    def _adopt(self, parts: Parts, virtualization: Virtualization) -> None:
        config = self.enrolling.adopt(parts.config)
        self._parts = replace(parts, config=config)
        self._virtualization = virtualization
        self.policy = policy_of(config, virtualization)
        if self._served != config.server:  # else the link stays as it is
            if self._served is not None:
                self.courier.retire()
            self._served = config.server
            self.courier = Courier(config.server, self._host(), self._state_dir, self._link)
        self._preparation = Preparation(
            config, self.courier, lambda: self._since_wake.used(self.state.last_active), self._regaining.had
        )
        self.guard.adopt(config, self._state_dir)
        self._doing.adopt(config, "" if self._override is None else self._override.profile)
        self.crier = Crier(parts.warnings, self.spawn)
        self.history = History(self._state_dir, config.history.limit_kilobytes, config.history.keep)
        self._record_as(config.history)
        self._surroundings.adopt(self.policy, config.nap.ups)
        ownlinks.expect(config.server.url)
        parts.watch.attach(self._loop, self.look_soon)
        for note in self.policy.notes:
            _log.info("%s", note)

    # --- life

    async def start(self) -> None:
        """Put back what a crash left behind, connect, announce, and look for the first time."""
        self.history.started(time.time(), clocks.now())
        await self._doing.restore()
        await self._doing.undrain(self._parts.config.sleep.drain_seconds)
        await self.guard.start()
        self.spawn(self._arm())
        self._announce("boot", 0.0)
        self.enrolling.begin()
        self.look_soon()

    async def stop(self) -> None:
        """Leave the machine as it was found."""
        self.looks.cancel()
        self.enrolling.close()
        if self.state.warned:
            self.crier.cancel(self._host(), "powernapd is stopped")
        if self.state.under_way:
            self._announce("cancelled", 0.0)
        await self.courier.end(self._off() or await self.guard.ending() or "stopped")
        await self.crier.settled(LAST_WORDS_SECONDS)
        if self.state.taken and not self.policy.observe:
            await self._doing.restore()
        if not self._off():
            await self._doing.undrain(self._parts.config.sleep.drain_seconds)
        for task in tuple(self._tasks):
            task.cancel()
        if self.recorder is not None:
            self.recorder.close()
        self._parts.watch.close()
        self._surroundings.close()
        self.guard.close()
        self.decisions.end()
        self.history.stopped(time.time(), clocks.now(), self._off(), self.state.cause)

    async def reload(self) -> None:
        """Read the configuration again; a bad one changes nothing. Raises ConfigError."""
        config, self._override = setup.load_in_use(self._path, self._state_dir)
        virtualization = await beside(lambda: setup.virtualization(config))
        parts = setup.build(config)
        async with self._looking:  # no look goes on with monitors that are closed
            again = Recover("the configuration was read again")  # new monitors know nothing of what was before
            self.tell(again, recorded=False)  # what is under way ends by the policy that began it
            self._parts.watch.close()
            self._readings = ()
            self._adopt(parts, virtualization)
            self.tell(again)
        self.refused = ""
        if self.state.ask is not Ask.ACTING:  # else it is about to sleep, and the wake server must go on believing so
            self.spawn(self._arm())
            self._announce("reload", 0.0)
            self.courier.changed()  # the profile may be another
        self.enrolling.begin()
        self.look_soon()

    async def _now_managed(self) -> None:
        """A wake server knows this machine: it is linked from now on."""
        try:
            await self.reload()
        except PowernapError as error:
            self.refused = setup.refusal(error)
            _log.error("%s", self.refused)

    def spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        """Run something beside, and log what it fails with."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        log_defect(task)

    async def _arm(self) -> None:
        """Have the cards ready for whatever puts the machine to sleep."""
        if self.policy.never or self.policy.observe or not any(taken.sleeps for taken in self.policy.steps):
            return
        if self.enrolling.holds():
            return  # it will not sleep before a wake server knows it, and only then is the way there known
        try:
            await self._preparation.arm()
        except PowernapError as error:
            _log.warning("this machine will not sleep as things stand: %s", error)

    # --- looking

    def look_soon(self) -> None:
        """Look because something called, but not for every one of many calls. Only a look that begins later does."""
        self.looks.call(ATTENTIVE_GAP_SECONDS if self.state.attentive else CALL_GAP_SECONDS)

    async def _look_in_time(self) -> None:
        try:
            await self.look(planned=True)
        except Exception:
            self.looks.plan(clocks.now() + RESCUE_SECONDS)  # whatever it was: there must be a next look
            raise

    async def look(self, planned: bool = False) -> None:
        """Ask everybody, and tell the engine; at a look that was planned, and nobody called for, perhaps only some."""
        began = clocks.now()
        async with self._looking:
            planned = planned and self.looks.called_for is None
            self.looks.begins()
            if self.state.ask is Ask.ACTING and not self._doing.ordering:
                await self.guard.check()
            self.guard.notice_sleep()
            told = self._parts.watch.told()
            some = alone(self.state, self.policy, self._readings, began, told) if planned else frozenset()
            if some and self.recorder is None:
                now, self._readings = await self._parts.watch.look(clocks.now, some, self._readings)
                self.looks.looked(now)
                self.tell(Look(self._readings, None, None, 0, began, partial=True), now)
                return
            around = await self._surroundings.read(self.guard.power)
            commit = await self._begin_commit()
            following = next_step(replace(self.state, around=around), self.policy)
            held = await self._ask_who_holds(replace(self.state, around=around))
            now, self._readings = await self._parts.watch.look(clocks.now)
            self.looks.looked(now)
            if next_step(replace(self.state, around=around), self.policy) != following:
                held = None  # they were asked about another step
            self._held = held or ()
            self.tell(Look(self._readings, held, around, commit, began), now)
            if self.recorder is not None:
                self.recorder.note(time.time(), self.state, in_effect(self.state, self.policy, ""), self._readings)

    async def _begin_commit(self) -> int:
        """Return the attempt for which this is the last look: only then a wake-up event calls it off."""
        attempt = self.state.attempt
        if self.state.ask is not Ask.ACKNOWLEDGED:
            return 0
        try:
            await self.guard.begin_commit()
        except PowernapError as error:
            self.tell(Refused(attempt, str(error)))
            return 0
        return attempt

    async def _ask_who_holds(self, state: State) -> tuple[str, ...] | None:
        """None: no sleep is near enough to ask. That it cannot be found out holds it, too."""
        following = next_step(state, self.policy)
        if following is None or not wants_holds(state, self.policy, clocks.now()):
            return None
        try:
            held = await asyncio.wait_for(self.guard.held(following.action, state.ordered), HELD_SECONDS)
            return (*self.enrolling.holds(), *held)
        except asyncio.TimeoutError:
            return (f"who forbids a sleep was not found out within {HELD_SECONDS:g} s",)
        except Exception as error:  # noqa: BLE001  # in doubt it stays awake
            _log.exception("who forbids a sleep cannot be found out")
            return (f"who forbids a sleep cannot be found out: {str(error) or type(error).__name__}",)

    def tell(self, event: Event, now: float | None = None, recorded: bool = True) -> None:
        """One step of the engine, and its effects, each whatever becomes of the others."""
        self._event = event
        self.state, effects = step(self.state, event, clocks.now() if now is None else now, self.policy)
        for effect in effects if recorded else [effect for effect in effects if not isinstance(effect, Record)]:
            try:
                self._carry_out(effect)
            except Exception:  # noqa: BLE001  # the deadline that follows must be planned
                _log.exception("internal error: %s", effect)
        try:
            if self.state.attentive and not self.policy.observe:
                self._parts.watch.arm()
            else:
                self._parts.watch.disarm()
        except Exception:  # noqa: BLE001  # those that are not armed do not say that they call: then it looks again soon
            _log.exception("internal error")
        if isinstance(event, GoingToSleep):
            self.courier.sleeping()

    # --- effects

    def _carry_out(self, effect: Effect) -> None:
        if isinstance(effect, LookAt):
            self.looks.plan(effect.at)
        elif isinstance(effect, Record):
            self._record(effect.cause)
        elif isinstance(effect, Warn):
            self.crier.warn(self._host(), effect.seconds, effect.action, effect.reason)
        elif isinstance(effect, CancelWarning):
            self.crier.cancel(self._host(), effect.reason)
        elif isinstance(effect, Register):
            self.spawn(self._prepare(effect.attempt, self._make_ready(effect.action)))
        elif isinstance(effect, Rehearse):
            self.spawn(self._prepare(effect.attempt, self._preparation.rehearse(effect.action)))
        elif isinstance(effect, Act):
            self.spawn(self._act(effect))
        elif isinstance(effect, Undo):
            self.spawn(self._doing.undo_step(effect.step))
        elif isinstance(effect, Announce):
            if effect.cause == "resume":
                self._since_wake.woke(clocks.now())
            self._announce(effect.cause, effect.slept_seconds)
            self.spawn(self._doing.undrain(self._parts.config.sleep.drain_seconds))
        elif self._ordered is not None and not self._ordered.done():
            self._ordered.set_result(effect)

    async def _act(self, effect: Act) -> None:
        if effect.step.sleeps and self.linked is not None:
            await self.linked.last_words(LAST_WORDS_SECONDS)
        await self._doing.act(effect)
        if not effect.step.sleeps:
            await self._doing.settled(effect.step)
            await self._arm()  # a site's own programs may have turned Wake-on-LAN off

    def _announce(self, cause: str, slept_seconds: float) -> None:
        self.bound_next_sleep(None)
        if not self.policy.never:
            self.courier.announce(cause, slept_seconds)
            self._regaining.begin(cause, self._parts.config, acts=not self.policy.observe)

    def _record(self, cause: str) -> None:
        record = self.decisions.add(time.time(), self.state, self.policy, cause, self._readings, self._event)
        self.history.note(record)
        if record["event"] != "deadline":
            self.courier.changed()
        level = logging.DEBUG if record["event"] == "deadline" else logging.INFO
        _log.log(level, "%s: %s", record["state"], cause, extra={"journal": journal_fields(record)})
        sdnotify.notify(f"STATUS={record['state']}: {cause}")

    def _host(self) -> str:
        return self._parts.config.server.name or socket.gethostname()

    async def _prepare(self, attempt: int, preparation: Coroutine[Any, Any, None]) -> None:
        try:
            await preparation
        except Exception as error:  # noqa: BLE001  # whatever it was: there must be an answer
            said = str(error) or type(error).__name__
            _log.warning("not napping: %s", said, exc_info=not isinstance(error, PowernapError))
            self.tell(Refused(attempt, said))
        else:
            self.tell(Acknowledged(attempt))

    async def _make_ready(self, action: str) -> None:
        """Raises PowernapError: then the machine must stay awake."""
        await self._doing.drain(self._parts.config.sleep.drain, self._parts.config.sleep.drain_seconds)
        await self._preparation.prepare(action)

    async def prepare_foreign(self, action: str) -> None:
        """Somebody else puts the machine to sleep: register that, too. Raises PowernapError."""
        if self.policy.never or self.policy.observe:
            return
        for sentence in self.enrolling.holds():
            raise PowernapError(sentence)
        if action == "poweroff":  # whoever switches a machine off does not want it woken on demand
            await self._preparation.arm()
        else:
            await self._preparation.prepare(action)

    def _record_as(self, settings: HistorySettings) -> None:
        if self.recorder is not None:
            self.recorder.close()
        self.recorder = Recorder(self._state_dir, settings, self._loop, self.look_soon) if settings.record else None

    def _off(self) -> str:
        """Return "poweroff" where that is why the daemon is stopped."""
        return self.state.aim.action if self.state.ask is Ask.ACTING and self.state.aim is not None else ""

    def bound_next_sleep(self, seconds: float | None) -> None:
        """The next sleep ends after so long at the latest, by this machine's own clock; None: as configured."""
        self._preparation.longest_seconds = self.guard.alarms.longest_seconds = seconds

    def _link(self) -> Linked:
        """Return what a channel needs."""
        raise NotImplementedError
