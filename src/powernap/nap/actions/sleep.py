# SPDX-License-Identifier: GPL-3.0-or-later
"""The sleeps, through logind or directly. What the machine then does is told by events (sleepguard.py)."""

from __future__ import annotations

from powernap.nap.actions.base import Action


class Suspend(Action):
    """Sleep to memory."""

    kind = "suspend"
    summary = "sleep to memory, woken by a magic packet"
    sleeps = True

    async def act(self) -> list[str]:
        await self.means.sleeper.order(self.kind)
        return []


class SuspendThenHibernate(Suspend):
    """Sleep to memory, and to disk after a time (HibernateDelaySec in systemd-sleep.conf)."""

    kind = "suspend-then-hibernate"
    summary = "sleep to memory, later to disk; needs logind"


class Hibernate(Suspend):
    """Sleep to disk."""

    kind = "hibernate"
    summary = "sleep to disk; a magic packet boots it, and it goes on where it was"


class HybridSleep(Suspend):
    """Sleep to memory, with a copy on disk."""

    kind = "hybrid-sleep"
    summary = "sleep to memory with a copy on disk, which survives a loss of power"


class PowerOff(Suspend):
    """Shut down in order."""

    kind = "poweroff"
    summary = "shut down; a magic packet boots it again"
