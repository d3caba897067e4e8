# SPDX-License-Identifier: GPL-3.0-or-later
"""logind's sessions over D-Bus (org.freedesktop.login1): who is logged in, and since when idle."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from powernap.machine import clocks
from powernap.machine.dbus import Bus, BusError

LOGIN = "org.freedesktop.login1"
MANAGER = (LOGIN, "/org/freedesktop/login1", f"{LOGIN}.Manager")
SESSION = f"{LOGIN}.Session"
#: Types of session whose desktop says itself when it is idle; of others logind looks at the terminal.
GRAPHICAL = frozenset({"x11", "wayland", "mir"})


@dataclass(frozen=True)
class Session:
    """``category``: logind's class, such as "user" or "greeter"; ``state``: "online", "active" or "closing".

    ``since``: of a terminal's session when it was last used, of a desktop's when ``idle`` last changed; CLOCK_BOOTTIME,
    None where logind does not know.
    """

    name: str
    user: str
    category: str
    state: str
    type: str
    remote: bool
    locked: bool
    idle: bool
    since: float | None

    @property
    def graphical(self) -> bool:
        return self.type in GRAPHICAL


async def sessions(bus: Bus) -> list[Session]:
    """Return all sessions. Raises BusError."""
    (entries,) = await bus.call(MANAGER, "ListSessions")
    found = await asyncio.gather(*(_session(bus, entry[0], entry[4]) for entry in entries))
    return [session for session in found if session is not None]


async def _session(bus: Bus, name: str, path: str) -> Session | None:
    try:
        to = (LOGIN, path, "org.freedesktop.DBus.Properties")
        (properties,) = await bus.call(to, "GetAll", "s", (SESSION,))
    except BusError:
        if name in {entry[0] for entry in (await bus.call(MANAGER, "ListSessions"))[0]}:
            raise
        return None  # it ended meanwhile
    values: dict[str, Any] = {key: value for key, (_signature, value) in properties.items()}
    since = values.get("IdleSinceHintMonotonic", 0)
    return Session(
        name=name,
        user=values["Name"],
        category=values["Class"],
        state=values["State"],
        type=values["Type"],
        remote=values["Remote"],
        locked=values.get("LockedHint", False),
        idle=values["IdleHint"],
        since=clocks.from_monotonic(since / 1e6) if since else None,
    )
