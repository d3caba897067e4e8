# SPDX-License-Identifier: GPL-3.0-or-later
"""What every action is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from powernap.config.sections.powersave import PowersaveSettings
from powernap.machine.logind import Logind
from powernap.shared.errors import PowernapError


class ActionError(PowernapError):
    """An action was not carried out."""


@dataclass(frozen=True)
class Means:
    """What actions act with."""

    logind: Logind
    state_dir: Path
    powersave: PowersaveSettings
    root: Path = Path("/")


class Action:
    """One thing that is done to the idle machine."""

    kind: ClassVar[str]
    summary: ClassVar[str]

    def __init__(self, means: Means) -> None:
        self.means = means

    async def act(self) -> list[str]:
        """Carry it out; return what went wrong in part, one sentence each. Raises PowernapError if it failed."""
        raise NotImplementedError

    async def undo(self) -> list[str]:
        """Take it back; return what could not be, one sentence each."""
        return []
