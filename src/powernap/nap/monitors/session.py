# SPDX-License-Identifier: GPL-3.0-or-later
"""Active while somebody who is logged in is not idle."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from powernap.machine.sessions import Session, sessions
from powernap.nap.evidence import Reading
from powernap.nap.monitors.base import Monitor
from powernap.nap.monitors.console import STEP_SECONDS
from powernap.shared.errors import PowernapError
from powernap.shared.schema import Option


class SessionMonitor(Monitor):
    """logind's own word. Of a terminal (console, ssh) it tells when somebody last typed. A desktop says itself that it
    is idle, after a time that is set there: until then it counts as active. Sessions of the login screen, of cron and
    of services never count.
    """

    kind = "session"
    summary = "somebody is logged in and not idle (systemd-logind)"
    options = (
        Option("local", "bool", True, "sessions at this machine count"),
        Option("remote", "bool", True, "sessions from elsewhere (ssh, remote desktop) count"),
        Option("locked_counts", "bool", False, "a locked session counts until its desktop says that it is idle"),
        Option(
            "without_terminal",
            "bool",
            True,
            "sessions of which nobody knows whether they are idle (sftp, remote commands) count while they last",
        ),
        Option("users", "strs", ("*",), "names of the users that count; * stands for many", example=["alice", "dev-*"]),
        Option("ignore", "strs", (), "names of users that do not count", example=["kiosk"]),
    )

    def __init__(self, name: str, values: Mapping[str, Any]) -> None:
        super().__init__(name, {option.name: option.default for option in self.options} | dict(values))
        self._sessions: list[Session] = []
        self._last: float | None = None
        self._locked: dict[str, float] = {}

    async def ask(self) -> None:
        try:
            self._sessions = await sessions(self.sources.bus())
        except PowernapError as error:
            raise PowernapError(f"{error}; without systemd-logind use the monitor console instead") from error

    def look(self, now: float) -> Reading:
        counted = [item for item in self._sessions if self._counts(item)]
        self._locked = {item.name: self._locked.get(item.name, now) for item in counted if item.locked}
        used = [(when, still, item) for item in counted for when, still in self._used(item, now)]
        detail = f"{len(counted)} sessions" if len(counted) != 1 else "1 session"
        active = False
        if used:
            last, active, session = max(used, key=lambda entry: entry[:2])
            last = min(last, now)
            self._last = max(last, self._last or last)
            detail += f", {_called(session)} " + ("in use" if active else f"used {now - last:.0f} s ago")
        return self.reading(last_active=self._last, active_now=active, detail=detail, source="systemd-logind")

    def _counts(self, item: Session) -> bool:
        if not item.category.startswith("user") or item.state == "closing":
            return False
        if not self.values["remote" if item.remote else "local"]:
            return False
        if any(fnmatchcase(item.user, pattern) for pattern in self.values["ignore"]):
            return False
        return any(fnmatchcase(item.user, pattern) for pattern in self.values["users"])

    def _used(self, item: Session, now: float) -> Iterator[tuple[float, bool]]:
        """Yield when the session was last used, where that is known, and whether it still is."""
        if item.locked and not self.values["locked_counts"]:
            locked = self._locked[item.name]
            yield (min(locked, item.since) if item.idle and item.since is not None else locked), False
        elif not item.graphical and item.since is not None:
            yield item.since + STEP_SECONDS, False
        elif item.idle and item.since is not None:
            yield item.since, False
        elif item.graphical or self.values["without_terminal"]:
            yield now, True


def _called(item: Session) -> str:
    return f"{item.user} (session {item.name}, {'remote' if item.remote else 'local'})"
