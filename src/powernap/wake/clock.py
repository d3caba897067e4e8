# SPDX-License-Identifier: GPL-3.0-or-later
"""The clocks of the wake server."""

from __future__ import annotations

import time


def clock() -> float:
    """CLOCK_BOOTTIME: seconds that also count while this machine itself sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


_BEGAN = time.time() - clock()


def steady() -> float:
    """Unix time as it was when this process began, and by CLOCK_BOOTTIME since: whoever sets the clock moves it not."""
    return _BEGAN + clock()
