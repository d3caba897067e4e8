# SPDX-License-Identifier: GPL-3.0-or-later
"""Warnings that powernap-hands gives where powernapd is not root: on terminals and desktops, by programs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from powernap.machine import hands
from powernap.nap.warnings.base import Notice, WarningMethod

KINDS = ("wall", "desktop", "exec")


def is_needed(own: WarningMethod) -> bool:
    """Tell whether only root can warn so: mail, too, where it goes by a program, or a password is root's to read."""
    return hands.needed() and by_root(own.kind, own.values)


def by_root(kind: str, values: Mapping[str, Any]) -> bool:
    """Tell whether a warning is given by powernap-hands where powernapd is not root."""
    by_program = kind == "mail" and (not values["server"] or bool(values["password_file"]))
    return kind in KINDS or by_program


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
