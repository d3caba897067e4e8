# SPDX-License-Identifier: GPL-3.0-or-later
"""Take the machine out of service before it sleeps, and put it back: a load balancer's, a scheduler's, a cloud's."""

from __future__ import annotations

from typing import ClassVar

from powernap.nap.actions.execute import Execute


class Drain(Execute):
    """No step of its own, but the first part of each sleep that this daemon begins. Where it fails there is no sleep.

    What was drained is on disk before it is: after a crash, or a sleep without power, the next start puts it back.
    """

    kind = "drain"
    summary = "run sleep.drain with the argument true before a sleep, and with false after it"
    file: ClassVar[str] = "drained.json"

    async def undo(self) -> list[str]:
        """Put back whatever was drained, also by a program that is no longer configured."""
        return await self.end(self._begun())
