# SPDX-License-Identifier: GPL-3.0-or-later
"""Carries steps out and takes them back, one after the other."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from powernap.config import NapConfig
from powernap.machine import hands
from powernap.nap import actions
from powernap.nap.actions.drain import Drain
from powernap.nap.events import Act, ActionDone, ActionFailed, Event
from powernap.nap.policy import Step
from powernap.nap.sleepguard import SleepGuard
from powernap.shared.errors import PowernapError

_log = logging.getLogger("powernapd")
#: What a crash may have left in effect.
LEAVING = ("powersave", "exec")


class Doing:
    """One instance of an action for each step; they are made anew with each configuration.

    ``ordering``: a sleep is to be ordered, and logind has not taken it yet.
    """

    def __init__(self, guard: SleepGuard, state_dir: Path, tell: Callable[[Event], None]) -> None:
        self._guard, self._state_dir, self._tell = guard, state_dir, tell
        self._turn = asyncio.Lock()
        self._made: dict[tuple[str, str], actions.Action] = {}
        self._means: actions.Means | None = None
        self._problems: dict[str, list[str]] = {}  # what went wrong since the step was last taken, by its title
        self.ordering = False

    def adopt(self, config: NapConfig, profile: str = "") -> None:
        """``profile``: the one that was ordered, or ""."""
        self._means = actions.Means(self._guard, self._state_dir, config.powersave, profile=profile)
        self._made = {}
        self._problems = {}

    def action(self, kind: str, command: str = "") -> actions.Action:
        """Return the action of a step."""
        assert self._means is not None
        if (kind, command) not in self._made:
            means = replace(self._means, command=command)
            self._made[kind, command] = self._by_hands(kind, means) or actions.KINDS[kind](means)
        return self._made[kind, command]

    @staticmethod
    def _by_hands(kind: str, means: actions.Means) -> actions.Action | None:
        """Return what has it done by powernap-hands, where that is needed."""
        if kind not in (*LEAVING, Drain.kind) or not hands.needed():
            return None
        from powernap.nap.actions.by_hands import ByHands

        return ByHands(means, kind)

    async def act(self, effect: Act) -> None:
        """Carry a step out, and tell what became of it: whatever happens, there is an answer."""
        step = effect.step
        action = self.action(step.action, step.command)
        self.ordering = step.sleeps
        try:
            async with self._turn:
                if step.sleeps:
                    await self._guard.commit(step.action)
                problems = await action.act()
        except Exception as error:  # noqa: BLE001  # there must be an answer
            said = str(error) or type(error).__name__
            _log.error("%s failed: %s", step.title, said, exc_info=not isinstance(error, PowernapError))
            self._tell(ActionFailed(effect.attempt, said))
            return
        finally:
            self.ordering = False
        self._problems[step.title] = []
        self._note(step.title, problems)
        self._tell(ActionDone(effect.attempt))

    async def drain(self, command: str, seconds: float) -> None:
        """Take the machine out of service. Raises PowernapError: then it must stay awake."""
        if not command:
            return
        async with self._turn:
            await self._drain(command, seconds).act()

    async def undrain(self, seconds: float) -> None:
        """Put the machine back into service, where it was taken out of it."""
        action = self._drain("", seconds)
        if action.left():
            await self.undo(action, Drain.kind)

    def _drain(self, command: str, seconds: float) -> actions.Action:
        assert self._means is not None
        means = replace(self._means, command=command, command_seconds=seconds)
        return self._by_hands(Drain.kind, means) or Drain(means)

    async def settled(self, step: Step) -> None:
        """Wait for what goes on beside after a step was carried out."""
        self._note(step.title, await self.action(step.action, step.command).settled())

    def notes(self) -> tuple[str, ...]:
        """Return what people should know of the actions that were carried out, one sentence each."""
        known = [note for action in self._made.values() for note in action.notes()]
        for title, problems in self._problems.items():
            if problems:
                more = f" (and {len(problems) - 1} more in the journal)" if problems[1:] else ""
                known.append(f"{title}: {problems[0]}{more}")
        return tuple(known)

    def _note(self, title: str, problems: list[str]) -> None:
        for problem in problems:
            _log.warning("%s: %s", title, problem)
        self._problems.setdefault(title, []).extend(problems)

    async def undo(self, action: actions.Action, title: str) -> None:
        async with self._turn:
            self._note(title, await action.undo())

    async def undo_step(self, step: Step) -> None:
        await self.undo(self.action(step.action, step.command), step.title)

    async def restore(self) -> None:
        """Take back what a crash left in effect, each whatever becomes of the others."""
        for kind in LEAVING:
            try:
                action = self.action(kind)
                if action.left():
                    await self.undo(action, kind)
            except Exception:  # noqa: BLE001  # the other is tried all the same
                _log.exception("%s of before is not taken back", kind)
