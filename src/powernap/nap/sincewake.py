# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether this machine was of use since it woke: what the wake server is told, so that it knows a wake for nothing."""

from __future__ import annotations

from pathlib import Path

from powernap.machine import tcpcounters

#: Activity within that time after a wake may be of the waking itself.
SETTLING_SECONDS = 60.0


class SinceWake:
    """Times are seconds of CLOCK_BOOTTIME. Only a resume from a sleep that was registered counts as a wake."""

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root
        self._woke: float | None = None
        self._accepted_before: int | None = None
        self._accepted_then: int | None = None

    def woke(self, now: float) -> None:
        """The machine has resumed."""
        # Counted from before the sleep on: what woke it may be accepted before anybody here is told of the resume.
        self._woke, self._accepted_then = now, self._accepted_before
        self._accepted_before = None

    def used(self, last_active: float) -> bool | None:
        """Before a sleep: whether a connection was accepted, or a monitor was active, since the wake. None: unknown.

        ``last_active``: the newest activity of any monitor.
        """
        self._accepted_before = now = tcpcounters.accepted(self._root)
        if self._woke is None:
            return None
        if last_active > self._woke + SETTLING_SECONDS:
            return True
        if now is None or self._accepted_then is None:
            return None
        if now == self._accepted_then and tcpcounters.forwards(self._root):
            return None
        return now != self._accepted_then
