# SPDX-License-Identifier: GPL-3.0-or-later
"""Suspend and power off, through logind. logind's own signals then tell how it goes on."""

from __future__ import annotations

from powernap.nap.actions.base import Action


class Suspend(Action):
    """Sleep to memory."""

    kind = "suspend"
    summary = "sleep to memory, woken by a magic packet"

    async def act(self) -> list[str]:
        await self.means.logind.order(self.kind)
        return []


class PowerOff(Suspend):
    """Shut down in order."""

    kind = "poweroff"
    summary = "shut down; a magic packet boots it again"
