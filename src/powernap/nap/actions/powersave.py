# SPDX-License-Identifier: GPL-3.0-or-later
"""Turn down what can be turned down, and stay awake."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any, ClassVar

from powernap.machine.dbus import BusError
from powernap.nap.actions.base import Action, ActionError, Means
from powernap.nap.background import beside
from powernap.nap.powersave import check
from powernap.nap.powersave.board import KnobBoard
from powernap.nap.powersave.journal import Entry, Journal
from powernap.nap.powersave.modules import Modules
from powernap.nap.powersave.profiles import Profiles
from powernap.nap.powersave.scripts import Scripts
from powernap.nap.powersave.table import of_part, select
from powernap.nap.powersave.units import Services

JOURNAL = "powersave.journal"
#: Services, modules and scripts go on beside after this; so activity need not wait for them to be taken down.
PATIENCE_SECONDS = 2.0
#: Limits of the recovery: the knobs, then all of the rest at once.
KNOBS_SECONDS = 10.0
REST_SECONDS = 60.0

Work = Coroutine[Any, Any, list[str]]


class Powersave(Action):
    """Knobs, tuner, services, modules, scripts; all is journalled first, and ``undo`` goes by the journal."""

    #: Of the process, as the hold of a tuner's profile is: a change of the configuration makes a new action.
    _rest: ClassVar[asyncio.Task[list[str]] | None] = None
    kind = "powersave"
    summary = "turn power knobs down; the machine goes on running"

    def __init__(self, means: Means) -> None:
        super().__init__(means)
        settings = means.powersave
        self._journal = Journal(means.state_dir / JOURNAL, means.root)
        self._board = KnobBoard(self._journal, means.root)
        self.profiles = Profiles(settings.backend, settings.tuned_profile, self._journal)
        self._services = Services(settings.services, self._journal)
        self._modules = Modules(settings.modules, self._journal, means.root)
        self._scripts = Scripts(self._journal, settings.script_seconds, means.root)

    def notes(self) -> list[str]:
        """Return who else tunes here, and what is left to them, one sentence each."""
        return [
            *(tuner.sentence() for tuner in self.profiles.running),
            *([self.profiles.note] if self.profiles.note else []),
        ]

    async def act(self) -> list[str]:
        problems = await self.undo()
        settings = self.means.powersave
        try:
            foreign = await self.profiles.survey()
        except BusError as error:
            raise ActionError(f"the knobs are left alone, as it is not known who else tunes here: {error}") from None
        knobs = of_part(select(settings.knobs, (*settings.except_knobs, *foreign)), self.means.part)
        try:
            turning = beside(lambda: self._board.turn_down(knobs, check.values(settings)))
            problems += await _within(KNOBS_SECONDS, "the knobs", "down", turning)
        except OSError as error:
            raise ActionError(
                f"the knobs are left alone, as what to put back cannot be written to {self.means.state_dir}: {error}"
            ) from error
        rest = Powersave._rest = asyncio.ensure_future(self._take_down())
        done, _pending = await asyncio.wait((rest,), timeout=PATIENCE_SECONDS)
        if done:
            Powersave._rest = None
            problems += rest.result()
        return problems

    @classmethod
    def goes_on(cls) -> bool:
        """Tell whether something is still being taken down."""
        return cls._rest is not None and not cls._rest.done()

    async def settled(self) -> list[str]:
        rest = Powersave._rest
        if rest is None:
            return []
        await asyncio.wait((rest,))
        return [] if rest.cancelled() else rest.result()

    async def _take_down(self) -> list[str]:
        problems = []
        for work in (self.profiles.take, self._services.stop, self._modules.unload, self._scripts.begin):
            problems += await work()
        return problems

    async def undo(self) -> list[str]:
        """Knobs first, in milliseconds; then the rest, each part beside the others and within its limit."""
        rest, Powersave._rest = Powersave._rest, None
        if rest is not None:
            rest.cancel()
            with suppress(asyncio.CancelledError):
                await rest
        entries, problems = await beside(self._journal.read)
        settled: set[int] = set()
        knobs = beside(lambda: self._board.restore(entries, settled))
        problems += await _within(KNOBS_SECONDS, "the knobs", "back", knobs)
        parts: tuple[tuple[str, Callable[[list[Entry], set[int]], Work]], ...] = (
            ("the tuner's profile", self.profiles.give_back),
            ("the services and modules", self._bring_up),
            ("the scripts of action.d", self._scripts.end),
        )
        found = await asyncio.gather(
            *(_within(REST_SECONDS, what, "back", part(entries, settled)) for what, part in parts)
        )
        problems += [problem for part in found for problem in part]
        left = [entry for place, entry in enumerate(entries) if place not in settled]
        try:
            await beside(lambda: self._journal.replace(left))
        except OSError as error:
            problems.append(f"{self._journal.file}: cannot be renewed: {error.strerror}")
        return problems

    async def _bring_up(self, entries: list[Entry], settled: set[int]) -> list[str]:
        """Modules first: a service may need its module."""
        return [
            *await self._modules.load_again(entries, settled),
            *await self._services.start_again(entries, settled),
        ]


async def _within(seconds: float, what: str, where: str, work: Awaitable[list[str]]) -> list[str]:
    try:
        return await asyncio.wait_for(work, seconds)
    except asyncio.TimeoutError:
        again = ": what is missing is tried again at the next nap or start" if where == "back" else ""
        return [f"{what} are not all {where} after {seconds:g} s{again}"]
