# SPDX-License-Identifier: GPL-3.0-or-later
"""When to try again. Pure, but for the dice that are handed in."""

from __future__ import annotations

import random
from collections.abc import Callable

FIRST_SECONDS = 2.0
LONGEST_SECONDS = 300.0


class Backoff:
    """Full jitter: each wait is anything up to a limit, which doubles, so that many clients do not come at once."""

    def __init__(self, dice: Callable[[], float] = random.random) -> None:
        """``dice``: from 0.0 to 1.0."""
        self._dice = dice
        self._limit = FIRST_SECONDS

    def next(self, at_least: float = 0.0) -> float:
        """Return the seconds to wait. ``at_least``: what the server asked for; the jitter comes on top of it."""
        limit, self._limit = self._limit, min(2 * self._limit, LONGEST_SECONDS)
        return min(max(0.0, at_least), LONGEST_SECONDS) + limit * self._dice()

    def over(self) -> None:
        """It succeeded."""
        self._limit = FIRST_SECONDS
