# SPDX-License-Identifier: GPL-3.0-or-later
"""Warnings that powernap-hands gives where powernapd is not root: on terminals and desktops, by programs."""

from __future__ import annotations

from dataclasses import asdict

from powernap.machine import hands
from powernap.nap.warnings.base import Notice, WarningMethod

KINDS = ("wall", "desktop", "exec")


def is_needed(own: WarningMethod) -> bool:
    """Tell whether only root can warn so: mail, too, where it goes by a program, or a password is root's to read."""
    by_program = own.kind == "mail" and (not own.values["server"] or bool(own.values["password_file"]))
    return hands.needed() and (own.kind in KINDS or by_program)


class ByHands(WarningMethod):
    """Says what the method would."""

    def __init__(self, own: WarningMethod) -> None:
        super().__init__(own.name, own.values)
        self.kind, self.options = own.kind, own.options  # type: ignore[misc]  # of this one, not of the class
        self._own = own

    def worded(self, notice: Notice) -> Notice:
        return self._own.worded(notice)

    async def tell(self, notice: Notice) -> None:
        await hands.asked("warn", self.limit_seconds, warning=self.name, notice=asdict(notice))
