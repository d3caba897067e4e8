# SPDX-License-Identifier: GPL-3.0-or-later
"""Turn down what the kernel lets one turn down, and stay awake."""

from __future__ import annotations

from powernap.nap.actions.base import Action, ActionError, Means
from powernap.nap.actions.knobs import KnobBoard, select
from powernap.nap.background import beside

JOURNAL = "knobs.json"


class Powersave(Action):
    """The knobs of knobs.py, put back exactly by ``undo``; after a crash ``undo`` puts back what the journal holds."""

    kind = "powersave"
    summary = "turn power knobs down; the machine goes on running"

    def __init__(self, means: Means) -> None:
        super().__init__(means)
        self._board = KnobBoard(means.state_dir / JOURNAL, means.root)

    async def act(self) -> list[str]:
        try:
            return await beside(lambda: self._board.turn_down(select(self.means.knobs)))
        except OSError as error:
            raise ActionError(
                f"the knobs are left alone, as what to put back cannot be written to {self.means.state_dir}: {error}"
            ) from error

    async def undo(self) -> list[str]:
        return await beside(self._board.restore)
