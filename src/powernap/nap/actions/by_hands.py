# SPDX-License-Identifier: GPL-3.0-or-later
"""Actions of a powernapd that is not root: powernap-hands carries them out, and keeps what must be taken back.

What powersave does to network cards is done here, where the machine's network is.
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

from powernap.machine import hands, netdevices
from powernap.machine.dbus import BusError
from powernap.machine.hands import HandsError
from powernap.nap.actions.base import Action, Means
from powernap.nap.background import beside
from powernap.nap.powersave import check
from powernap.nap.powersave.board import KnobBoard
from powernap.nap.powersave.journal import Journal
from powernap.nap.powersave.profiles import Profiles
from powernap.nap.powersave.table import of_part, select

_log = logging.getLogger("powernapd")
#: What powernap-hands notes of each kind while something is in effect.
FILES = {"powersave": ("powersave.journal", hands.HOLD), "exec": ("exec-begun.json",), "drain": ("drained.json",)}
JOURNAL = "network.journal"
#: An action undoes what it did before, does it, and has programs with limits of their own.
ACT_SECONDS = 200.0
SETTLE_SECONDS = 900.0
#: Between two tries of taking something back while powernap-hands is started again.
AGAIN_SECONDS = (0.3, 1.0, 3.0, 5.0)


class ByHands(Action):
    """``kind``: which action."""

    def __init__(self, means: Means, kind: str) -> None:
        super().__init__(means)
        self.kind = kind  # type: ignore[misc]  # of this one, not of the class
        self._notes: list[str] = []
        self._cards = NetworkKnobs(means) if kind == "powersave" else None

    async def act(self) -> list[str]:
        problems = await self._ask("act", ACT_SECONDS)
        return problems + (await self._cards.turn_down() if self._cards is not None else [])

    async def settled(self) -> list[str]:
        return await self._ask("settled", SETTLE_SECONDS) if self.kind == "powersave" else []

    async def undo(self) -> list[str]:
        """Whatever becomes of powernap-hands meanwhile: it is tried again, as its journal says what is left to do."""
        problems = await self._cards.restore() if self._cards is not None else []
        for pause in (*AGAIN_SECONDS, None):
            try:
                return problems + await self._ask("undo", ACT_SECONDS)
            except HandsError as error:
                if pause is None:
                    return [*problems, f"{error}: what is missing is tried again at the next nap or start"]
                await asyncio.sleep(pause)
        return problems

    def notes(self) -> list[str]:
        return self._notes

    def left(self) -> bool:
        try:
            there = any((hands.STATE / name).exists() for name in FILES[self.kind])
        except OSError:
            there = True
        return there or (self._cards is not None and self._cards.left())

    async def _ask(self, verb: str, seconds: float) -> list[str]:
        network = await beside(lambda: {name: str(path) for name, path in netdevices.devices().items()})
        words: dict[str, Any] = {"kind": self.kind, "command": self.means.command, "profile": self.means.profile}
        answer = await hands.asked(verb, seconds, **words, network=network)
        self._notes = [str(note) for note in answer.get("notes", ())]
        return [str(problem) for problem in answer.get("problems", ())]


class NetworkKnobs:
    """Those that are turned by sockets, with a journal of their own."""

    def __init__(self, means: Means) -> None:
        self._settings = means.powersave
        self._journal = Journal(means.state_dir / JOURNAL, means.root)
        self._board = KnobBoard(self._journal, means.root)

    async def turn_down(self) -> list[str]:
        settings = self._settings
        if not of_part(select(settings.knobs, settings.except_knobs), "network"):
            return []
        problems = await self.restore()
        try:
            foreign = await Profiles("knobs", "", self._journal).survey()
            knobs = of_part(select(settings.knobs, (*settings.except_knobs, *foreign)), "network")
            return problems + await beside(lambda: self._board.turn_down(knobs, check.values(settings)))
        except (BusError, OSError) as error:
            return [*problems, f"the network cards are left alone: {error}"]

    async def restore(self) -> list[str]:
        return await beside(self._restore) if self.left() else []

    def left(self) -> bool:
        return Path(self._journal.file).exists()

    def _restore(self) -> list[str]:
        entries, problems = self._journal.read()
        settled: set[int] = set()
        problems += self._board.restore(entries, settled)
        try:
            self._journal.replace([entry for place, entry in enumerate(entries) if place not in settled])
        except OSError as error:
            problems.append(f"{self._journal.file}: cannot be renewed: {error.strerror}")
        return problems
