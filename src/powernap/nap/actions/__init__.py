# SPDX-License-Identifier: GPL-3.0-or-later
"""Actions: what is done to the idle machine. A new one is one module and one line here."""

from powernap.nap.actions.base import Action, ActionError, Means
from powernap.nap.kinds import Kinds

KINDS: Kinds[Action] = Kinds(
    __name__,
    {
        "powersave": "powersave.Powersave",
        "suspend": "sleep.Suspend",
        "suspend-then-hibernate": "sleep.SuspendThenHibernate",
        "hibernate": "sleep.Hibernate",
        "hybrid-sleep": "sleep.HybridSleep",
        "poweroff": "sleep.PowerOff",
        "exec": "execute.Execute",
    },
)

__all__ = ["KINDS", "Action", "ActionError", "Means"]
