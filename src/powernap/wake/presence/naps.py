# SPDX-License-Identifier: GPL-3.0-or-later
"""The last naps of each machine, kept in the notes."""

from __future__ import annotations

from typing import Any

from powernap.wake.host import Host
from powernap.wake.model import State
from powernap.wake.notes import Notes

_PER_HOST, _IN_ALL = 20, 200_000
_GOING_DOWN = (State.REGISTERED, State.ARMING)
_UP = (State.AWAKE, State.RESTORING)


class Naps:
    def __init__(self, notes: Notes) -> None:
        self._notes = notes
        columns = (
            "number INTEGER NOT NULL, began REAL NOT NULL, action TEXT NOT NULL, why TEXT NOT NULL, ended REAL, "
            "ended_by TEXT, UNIQUE (number, began)"
        )
        notes.add_table("naps", columns, _IN_ALL)

    def follow(self, before: Host, after: Host, why: str, now: float) -> None:
        """A host has another state. `why`: what it said of it; `now`: Unix time."""
        if after.state is State.REGISTERED:
            self._begin(after, why, now)
        elif after.state in _UP and before.state not in _UP:
            self._end(after.number, _ended_by(before), now)

    def _begin(self, host: Host, why: str, now: float) -> None:
        action = host.sleep.action if host.sleep is not None else ""
        self._notes.write(
            "INSERT OR REPLACE INTO naps (number, began, action, why) VALUES (?, ?, ?, ?)",
            (host.number, now, action, why),
        )

    def _end(self, number: int, by: str, now: float) -> None:
        self._notes.write(
            "UPDATE naps SET ended = ?2, ended_by = ?3 WHERE number = ?1 AND ended IS NULL AND "
            "began = (SELECT max(began) FROM naps WHERE number = ?1)",
            (number, now, by),
        )
        self._notes.write(
            "DELETE FROM naps WHERE number = ?1 AND began <= "
            "(SELECT began FROM naps WHERE number = ?1 ORDER BY began DESC LIMIT 1 OFFSET ?2)",
            (number, _PER_HOST),
        )

    def forget(self, number: int) -> None:
        self._notes.write("DELETE FROM naps WHERE number = ?", (number,))

    def of(self, number: int, most: int = _PER_HOST) -> list[dict[str, Any]]:
        """The newest first; `seconds` and `ended_by` are null while it naps, and where nobody knows when it ended."""
        rows = self._notes.read(
            "SELECT began, action, why, ended, ended_by FROM naps WHERE number = ? ORDER BY began DESC LIMIT ?",
            (number, most),
        )
        return [
            {
                "began": began,
                "action": action,
                "why": why,
                "ended": ended,
                "seconds": None if ended is None else round(max(0.0, ended - began), 3),
                "ended_by": by,
            }
            for began, action, why, ended, by in rows
        ]


def _ended_by(before: Host) -> str:
    if before.wake is not None:
        return before.wake.wanted.reason
    return "called off" if before.state in _GOING_DOWN else "by itself"
