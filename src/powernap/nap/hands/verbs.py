# SPDX-License-Identifier: GPL-3.0-or-later
"""All that powernap-hands does. Each verb checks its arguments; what is allowed is in root's own configuration."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from powernap.nap.hands import keeping, saving, seeing, sleeping, telling
from powernap.nap.hands.means import Means

#: (means, arguments, open files to be given with the answer) -> answer. Raises PowernapError.
Verb = Callable[[Means, dict[str, Any], list[int]], Awaitable[dict[str, Any]]]

VERBS: dict[str, Verb] = {
    # power knobs, services, modules, scripts and the site's own actions, by the journal
    "act": saving.act,
    "settled": saving.settled,
    "undo": saving.undo,
    # sleeps
    "inhibit": sleeping.inhibit,
    "order": sleeping.order,
    "sleep": sleeping.sleep,
    "alarm": sleeping.alarm,
    "alarm-clear": sleeping.alarm_clear,
    "wakeup-count": sleeping.wakeup_count,
    "wake-switch": sleeping.wake_switch,
    # what only root sees
    "jobs": seeing.jobs,
    "threats": seeing.threats,
    "look": seeing.look,
    "extra": seeing.extra,
    "io": seeing.io,
    "standby": seeing.standby,
    "containers": seeing.containers,
    "process": seeing.process,
    "input": seeing.input_device,
    "terminals": seeing.terminals,
    "folder": seeing.folder,
    # people
    "warn": telling.warn,
    # files that belong to root
    "read": keeping.read,
    "keep": keeping.keep,
    "drop": keeping.drop,
}
