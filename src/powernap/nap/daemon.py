# SPDX-License-Identifier: GPL-3.0-or-later
"""powernapd for those who ask and order: people by ``powernap``, and the wake server by the link."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from powernap import __version__
from powernap.config import NapConfig
from powernap.machine import clocks
from powernap.nap import override, report, setup
from powernap.nap.conditions import Surroundings
from powernap.nap.events import Answer, NapNow, Recover
from powernap.nap.evidence import Reading
from powernap.nap.override import Override
from powernap.nap.policy import Step
from powernap.nap.recording import Recorder
from powernap.nap.running import Running
from powernap.nap.state import next_step, order_refused

if TYPE_CHECKING:
    from powernap.nap.linked import Linked

_log = logging.getLogger("powernapd")
ORDER_SECONDS = 90.0


class Daemon(Running):
    """One method for each question and order."""

    def renamed(self, name: str) -> None:
        """The wake server calls this machine otherwise from now on. Raises PowernapError."""
        self.enrolling.renamed(name)
        self.spawn(self._now_managed())

    def _link(self) -> Linked:
        """Return what a channel needs, which is imported only where there is one."""
        if self.linked is None:
            from powernap.nap.linked import Linked

            self.linked = Linked(self, self._state_dir)
        return self.linked

    async def nap_now(self) -> Answer:
        """Order a nap, and wait until it is known whether it comes."""
        around, _following, held = await self._before_order()
        answer: asyncio.Future[Answer] = self._loop.create_future()
        self._ordered = answer
        self.tell(NapNow(held, around))
        try:
            return await asyncio.wait_for(answer, ORDER_SECONDS)
        except asyncio.TimeoutError:
            return Answer(False, "it is not known whether the nap came about: ask 'powernap why'")

    async def may_nap(self) -> Answer:
        """Say what an order to nap would bring, or why it would be refused as things stand."""
        around, following, held = await self._before_order()
        refusal = order_refused(replace(self.state, around=around), self.policy, held)
        return Answer(False, refusal) if refusal or following is None else Answer(True, following.title)

    async def nap_later(self, seconds: float) -> Answer:
        """Order a nap for then, and say what comes. What becomes of it is in the log."""
        answer = await self.may_nap()
        if answer.ok:
            self.spawn(self._nap_after(seconds))
        return answer

    async def _nap_after(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        answer = await self.nap_now()
        if not answer.ok:
            _log.warning("ordered to nap, refused: %s", answer.sentence)

    async def _before_order(self) -> tuple[Surroundings, Step | None, tuple[str, ...]]:
        """Return the surroundings, the step that an order to nap would take, and who forbids that."""
        around = await self._surroundings.read(self.guard.power)
        following = next_step(replace(self.state, around=around), self.policy)
        if following is None or not following.sleeps:
            return around, following, ()
        return around, following, (*self.enrolling.holds(), *await self.guard.held(following.action, True))

    def record(self, on: bool) -> Recorder | None:
        """Record what the monitors see, or no longer, until the configuration is read again."""
        self._record_as(replace(self._parts.config.history, record=on))
        self.look_soon()
        return self.recorder

    def recover(self, cause: str = "ordered to recover") -> None:
        self.tell(Recover(cause))

    async def following(self) -> Step | None:
        """Return the step that an order to nap would take."""
        return next_step(replace(self.state, around=await self._surroundings.read(self.guard.power)), self.policy)

    async def use_profile(self, wanted: Override | None) -> None:
        """Have a profile stand for those that the configuration includes. Raises PowernapError."""
        if wanted is not None:
            setup.build(setup.load(self._path, profile=wanted.profile)).watch.close()
        override.write(self._state_dir, wanted)
        await self.reload()

    @property
    def ordered_profile(self) -> str:
        """The profile in use by order; "": what the configuration includes."""
        return "" if self._override is None else self._override.profile

    @property
    def config(self) -> NapConfig:
        return self._parts.config

    @property
    def readings(self) -> tuple[Reading, ...]:
        """What the monitors said last."""
        return self._readings

    @property
    def profile(self) -> str:
        """The profile in use by order, or those that the configuration includes."""
        return self._override.profile if self._override is not None else " ".join(self.config.include)

    def situation(self) -> report.Situation:
        notes = (self.refused, *self.policy.notes, *self._surroundings.notes, setup.in_use_note(self._override))
        notes += (*self.guard.notes(), *self._doing.notes(), *self.enrolling.notes(), *self._regaining.notes())
        held = self._held or self.guard.leased()
        server = {**self.courier.as_dict(), "enrolment": self.enrolling.as_dict()}
        return report.Situation(
            self.state,
            self.policy,
            clocks.now(),
            self._readings,
            tuple(dict.fromkeys((*self.enrolling.holds(), *held))),
            {**server, "woken_for": self.linked.knock if self.linked is not None else {}},
            self._virtualization.as_dict(),
            str(self._path),
            __version__,
            tuple(self.crier.as_list()),
            {
                "history_error": self.history.error,
                "recording": "" if self.recorder is None else str(self.recorder.path),
                "recording_error": "" if self.recorder is None else self.recorder.error,
            },
            tuple(filter(None, notes)),
        )
