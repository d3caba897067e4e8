# SPDX-License-Identifier: GPL-3.0-or-later
"""What every action is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

from powernap.config.sections.powersave import PowersaveSettings
from powernap.shared.errors import PowernapError


class ActionError(PowernapError):
    """An action was not carried out."""


class Sleeper(Protocol):
    """Who puts the machine to sleep. Raises PowernapError."""

    async def order(self, action: str) -> None:
        pass


@dataclass(frozen=True)
class Means:
    """What actions act with. ``command``: the program of the action exec, called with true and false.

    ``profile``: the one that was ordered, or ""; ``part``: of the knobs, see powersave/table.py.
    """

    sleeper: Sleeper
    state_dir: Path
    powersave: PowersaveSettings
    root: Path = Path("/")
    command: str = ""
    command_seconds: float = 60.0
    profile: str = ""
    part: str = "all"


class Action:
    """One thing that is done to the idle machine."""

    kind: ClassVar[str]
    summary: ClassVar[str]
    #: True where the machine stops running: only then must it be woken from outside.
    sleeps: ClassVar[bool] = False

    def __init__(self, means: Means) -> None:
        self.means = means

    async def act(self) -> list[str]:
        """Carry it out; return what went wrong in part, one sentence each. Raises PowernapError if it failed."""
        raise NotImplementedError

    async def undo(self) -> list[str]:
        """Take it back; return what could not be, one sentence each."""
        return []

    def left(self) -> bool:
        """Tell whether a crash may have left something of any such action in effect."""
        return True

    async def settled(self) -> list[str]:
        """Wait for what goes on beside after ``act`` has answered; return what went wrong of it, one sentence each."""
        return []

    def notes(self) -> list[str]:
        """Return what people should know of it, one sentence each."""
        return []
