# SPDX-License-Identifier: GPL-3.0-or-later
"""Wait for what a benchmark has started."""

import sys
import time


def until(condition, what: str, seconds: float = 30, pause: float = 0.05) -> None:
    """Return when ``condition()`` is true; end the benchmark where it is not in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            sys.exit(f"bench: no {what} within {seconds:g} s")
        time.sleep(pause)
