# SPDX-License-Identifier: GPL-3.0-or-later
"""When the hosts of a wake server that stops are to come back. Pure."""

from __future__ import annotations

_EARLIEST, _LATEST = 1.2, 2.5
#: For each thousand of them: how long a restart takes longer, and over how long they are spread.
_RESTART_SECONDS, _SPREAD_SECONDS = 0.35, 2.0


def back_in(hosts: int, dice: float) -> float:
    """Seconds that one of so many is to wait; `dice`: 0.0 to 1.0.

    Not all at once, and none before a restart is over: who finds nobody doubles its pauses, and would come last.
    """
    thousands = hosts / 1000
    earliest = _EARLIEST + thousands * _RESTART_SECONDS
    latest = max(_LATEST, earliest + thousands * _SPREAD_SECONDS)
    return earliest + dice * (latest - earliest)
