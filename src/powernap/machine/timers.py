# SPDX-License-Identifier: GPL-3.0-or-later
"""When systemd's timers elapse next (org.freedesktop.systemd1.Timer).

Those of the system manager only: the timers of users' own managers are not on the system bus.

OnCalendar= goes by the wall's clock. All others count on CLOCK_MONOTONIC, which stands still during a sleep, or with
WakeSystem=yes on CLOCK_BOOTTIME_ALARM (TIMER_MONOTONIC_CLOCK in systemd's src/core/timer.h).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from powernap.machine.dbus import Bus
from powernap.machine.systemd1 import MANAGER, SYSTEMD

#: What "never" looks like: UINT64_MAX.
NEVER = 2**64 - 1


@dataclass(frozen=True)
class Timer:
    """``at``: seconds since the epoch, if the machine does not sleep; ``every``: since its last run.

    ``wakes``: WakeSystem=yes; ``pauses``: it does not count while the machine sleeps, so it elapses that much later.
    """

    name: str
    at: float
    every: float | None
    wakes: bool
    pauses: bool


async def read(bus: Bus, wall: float, monotonic: float) -> list[Timer]:
    """Return the active timers that will elapse, given both clocks; one that goes by both is there twice.

    Raises BusError.
    """
    (entries,) = await bus.call(MANAGER, "ListUnitsByPatterns", "asas", (["active"], ["*.timer"]))
    found = []
    for name, *_text, path, _job, _kind, _job_path in entries:
        to = (SYSTEMD, path, "org.freedesktop.DBus.Properties")
        (values,) = await bus.call(to, "GetAll", "s", (f"{SYSTEMD}.Timer",))
        said = {key: value for key, (_signature, value) in values.items()}
        last = said.get("LastTriggerUSec", 0)
        for at, pauses in elapses(said, wall, monotonic):
            every = at - last / 1e6 if last not in (0, NEVER) else None
            found.append(Timer(name, at, every, bool(said.get("WakeSystem")), pauses))
    return found


def elapses(said: Mapping[str, int], wall: float, monotonic: float) -> Iterator[tuple[float, bool]]:
    """Yield when each of its clocks is due, as seconds since the epoch, and whether that clock pauses during a sleep.

    systemd gives the second one as a time of CLOCK_MONOTONIC in either case.
    """
    realtime, running = said.get("NextElapseUSecRealtime", 0), said.get("NextElapseUSecMonotonic", 0)
    if realtime not in (0, NEVER):
        yield realtime / 1e6, False
    if running not in (0, NEVER):
        yield wall + running / 1e6 - monotonic, not said.get("WakeSystem")
