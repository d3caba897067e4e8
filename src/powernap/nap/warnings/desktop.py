# SPDX-License-Identifier: GPL-3.0-or-later
"""Warn on the desktops of the users that are logged in (Desktop Notifications Specification, version 1.2)."""

from __future__ import annotations

import asyncio
import contextlib
import pwd
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from powernap.nap.warnings.base import Notice, WarningMethod
from powernap.shared.errors import PowernapError
from powernap.shared.schema import Option

URGENCIES = ("low", "normal", "critical")
CANCELLED_MILLISECONDS = 10_000
#: What busctl says where nobody shows notifications, or where the session has just ended: nobody is there to be told.
NOBODY = ("ServiceUnknown", "not provided by any", "No such file", "was not found", "Connection refused")

Users = Callable[[], Awaitable[Mapping[str, int]]]


async def logged_in() -> Mapping[str, int]:
    """Return the users with a session, as name: uid; where no logind answers, the owners of /run/user/UID/bus."""
    from powernap.machine.dbus import Bus, BusError
    from powernap.machine.logind import MANAGER

    try:
        bus = Bus()
        try:
            (sessions,) = await bus.call(MANAGER, "ListSessions")
        finally:
            bus.close()
    except BusError:
        return _with_a_bus()
    return {user: uid for _session, uid, user, _seat, _path in sessions}


def _with_a_bus() -> Mapping[str, int]:
    users = {}
    for path in Path("/run/user").glob("*/bus"):
        with contextlib.suppress(OSError, KeyError):  # a session that ended meanwhile; a user without a name
            users[pwd.getpwuid(path.stat().st_uid).pw_name] = path.stat().st_uid
    return users


class Desktop(WarningMethod):
    """A session bus lets nobody in but its user, root included: so busctl runs as that user, outside of our sandbox.

    The cancellation takes the place of the warning on the screen.
    """

    kind = "desktop"
    summary = "a notification on the desktop of everybody who is logged in"
    options = (
        *WarningMethod.options,
        Option("urgency", "str", "critical", "critical ones are shown over full screens too", choices=URGENCIES),
        Option("users", "strs", (), "only these users; empty: all", example=["ann"]),
    )

    def __init__(
        self, name: str, values: Mapping[str, Any], users: Users = logged_in, bus: str = "/run/user/{uid}/bus"
    ) -> None:
        super().__init__(name, values)
        self._users, self._bus = users, bus
        self._shown: dict[str, int] = {}

    async def tell(self, notice: Notice) -> None:
        wanted = self.values["users"]
        users = {user: uid for user, uid in (await self._users()).items() if not wanted or user in wanted}
        outcomes = await asyncio.gather(
            *(self._notify(user, uid, notice) for user, uid in users.items()), return_exceptions=True
        )
        problems = [f"{user}: {said}" for user, said in zip(users, outcomes, strict=True) if said is not None]
        if problems:
            raise PowernapError("; ".join(problems))

    async def _notify(self, user: str, uid: int, notice: Notice) -> None:
        from powernap.machine import outside

        warning = notice.event == "warning"
        milliseconds = round(notice.seconds * 1000) if warning else CANCELLED_MILLISECONDS
        body = notice.text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")  # a body has markup
        urgency = URGENCIES.index(self.values["urgency"]) if warning else 0
        done = await outside.run(
            [
                *("busctl", f"--address=unix:path={self._bus.format(uid=uid)}", f"--timeout={self.limit_seconds:g}"),
                *("call", "org.freedesktop.Notifications", "/org/freedesktop/Notifications"),
                *("org.freedesktop.Notifications", "Notify", "susssasa{sv}i"),
                *("PowerNap", str(self._shown.get(user, 0)), "system-suspend", f"PowerNap on {notice.host}", body),
                *("0", "1", "urgency", "y", str(urgency), str(milliseconds)),
            ],
            seconds=self.limit_seconds,
            user=user,
        )
        said = " ".join(done.output.split())
        if done.status == 0 and said.startswith("u "):
            self._shown[user] = int(said.split()[1])
        elif not any(reason in said for reason in NOBODY):
            raise PowernapError(said[:200] or f"busctl ended with status {done.status}")
