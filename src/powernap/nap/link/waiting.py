# SPDX-License-Identifier: GPL-3.0-or-later
"""Wait for a condition that something else brings about."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable


async def until(moved: asyncio.Event, condition: Callable[[], bool], seconds: float) -> None:
    """Return when it holds, or time is over. ``moved``: set whenever it may have come to hold."""

    async def wait() -> None:
        while not condition():
            moved.clear()
            await moved.wait()

    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(wait(), seconds)
