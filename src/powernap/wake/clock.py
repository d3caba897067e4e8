# SPDX-License-Identifier: GPL-3.0-or-later
"""The one clock of the wake server."""

from __future__ import annotations

import time


def clock() -> float:
    """CLOCK_BOOTTIME: seconds that also count while this machine itself sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
