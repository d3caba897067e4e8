# SPDX-License-Identifier: GPL-3.0-or-later
"""When systemd's timers elapse next (org.freedesktop.systemd1.Timer).

Those of the system manager only: the timers of users' own managers are not on the system bus.
"""

from __future__ import annotations

from dataclasses import dataclass

from powernap.machine.dbus import Bus
from powernap.machine.systemd1 import MANAGER, SYSTEMD

#: What "never" looks like: UINT64_MAX.
NEVER = 2**64 - 1


@dataclass(frozen=True)
class Timer:
    """``at``: seconds since the epoch; ``every``: since its last run; ``wakes``: WakeSystem=yes."""

    name: str
    at: float
    every: float | None
    wakes: bool


async def read(bus: Bus, wall: float, monotonic: float) -> list[Timer]:
    """Return the active timers that will elapse, given both clocks. Raises BusError."""
    (entries,) = await bus.call(MANAGER, "ListUnitsByPatterns", "asas", (["active"], ["*.timer"]))
    found = []
    for name, *_text, path, _job, _kind, _job_path in entries:
        to = (SYSTEMD, path, "org.freedesktop.DBus.Properties")
        (values,) = await bus.call(to, "GetAll", "s", (f"{SYSTEMD}.Timer",))
        said = {key: value for key, (_signature, value) in values.items()}
        at = next_elapse(said, wall, monotonic)
        if at is not None:
            last = said.get("LastTriggerUSec", 0)
            every = at - last / 1e6 if last not in (0, NEVER) else None
            found.append(Timer(name, at, every, bool(said.get("WakeSystem"))))
    return found


def next_elapse(said: dict[str, int], wall: float, monotonic: float) -> float | None:
    """Return the sooner of the two clocks' times, as seconds since the epoch; systemd gives CLOCK_MONOTONIC for one."""
    times = []
    realtime, boot = said.get("NextElapseUSecRealtime", 0), said.get("NextElapseUSecMonotonic", 0)
    if realtime not in (0, NEVER):
        times.append(realtime / 1e6)
    if boot not in (0, NEVER):
        times.append(wall + boot / 1e6 - monotonic)
    return min(times, default=None)
