# SPDX-License-Identifier: GPL-3.0-or-later
"""Actions: what is done to the idle machine. A new one is one module and one line here."""

from powernap.nap.actions.base import Action, ActionError, Means
from powernap.nap.actions.execute import Execute
from powernap.nap.actions.powersave import Powersave
from powernap.nap.actions.sleep import Hibernate, HybridSleep, PowerOff, Suspend, SuspendThenHibernate

KINDS: dict[str, type[Action]] = {
    action.kind: action
    for action in (Powersave, Suspend, SuspendThenHibernate, Hibernate, HybridSleep, PowerOff, Execute)
}

__all__ = ["KINDS", "Action", "ActionError", "Means"]
