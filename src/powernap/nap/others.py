# SPDX-License-Identifier: GPL-3.0-or-later
"""Who else puts the machine to sleep, and what keeps it from being woken."""

from __future__ import annotations

import logging
from pathlib import Path

from powernap.machine import idleaction, wolthreats
from powernap.machine.dbus import BusError
from powernap.machine.logind import Logind
from powernap.nap.background import beside
from powernap.nap.policy import Policy

_log = logging.getLogger("powernapd")


async def find(policy: Policy, logind: Logind, root: Path) -> tuple[str, ...]:
    """Return one sentence for each, and log it. A machine that never sleeps, such as a container, has none."""
    if policy.never:
        return ()
    sleeps = [step.after_seconds for step in policy.steps if step.sleeps]
    threats = await beside(lambda: wolthreats.find(root)) if sleeps else ()
    for sentence in threats:
        _log.warning("%s", sentence)
    idle_action = await _idle_action(min(sleeps, default=float("inf")), logind, root)
    if idle_action:
        _log.info("%s", idle_action)
    return (*threats, *([idle_action] if idle_action else []))


async def _idle_action(absent_seconds: float, logind: Logind, root: Path) -> str:
    """Return what logind itself does with an idle machine, beside a sleep after that time; "" for nothing."""
    try:
        found = await idleaction.ask(logind.bus)
    except BusError:
        if not (root / "run/systemd/system").is_dir():
            return ""  # then there is nobody who goes by those files
        found = await beside(lambda: idleaction.configured(root))
    return found.sentence(absent_seconds)
