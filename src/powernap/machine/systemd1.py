# SPDX-License-Identifier: GPL-3.0-or-later
"""systemd's units over D-Bus (org.freedesktop.systemd1): which run, and when those that ended did."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from powernap.machine import clocks
from powernap.machine.dbus import Bus

SYSTEMD = "org.freedesktop.systemd1"
MANAGER = (SYSTEMD, "/org/freedesktop/systemd1", f"{SYSTEMD}.Manager")
#: "active" alone says little: a oneshot unit that remains after its exit is it, too.
RUNNING = frozenset({"active", "activating", "deactivating", "reloading", "refreshing"})
#: Sub-states of units that are active but do nothing (unit_active_state, systemd(1)).
RESTING = frozenset({"exited", "auto-restart", "auto-restart-queued"})
#: So many units are asked when they ended; each costs about 0.6 ms.
ASKED = 20


@dataclass(frozen=True)
class Unit:
    """``ended``: when it last became inactive (CLOCK_BOOTTIME), None where unknown or running."""

    name: str
    running: bool
    ended: float | None = None


async def units(bus: Bus, patterns: Iterable[str]) -> list[Unit]:
    """Return the loaded units whose names match one of the patterns. Raises BusError."""
    (entries,) = await bus.call(MANAGER, "ListUnitsByPatterns", "asas", ([], list(patterns)))
    found = []
    asked = 0
    for name, _text, _load, active, sub, _following, path, *_job in entries:
        running = active in RUNNING and sub not in RESTING
        ended = None
        if not running and asked < ASKED:
            asked += 1
            stamp = await bus.get((SYSTEMD, path, f"{SYSTEMD}.Unit"), "InactiveEnterTimestampMonotonic")
            ended = clocks.from_monotonic(stamp / 1e6) if stamp else None
        found.append(Unit(name, running, ended))
    return found
