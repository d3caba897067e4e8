# SPDX-License-Identifier: GPL-3.0-or-later
"""A monitor in a running event loop, as the daemon has it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from powernap.nap.monitors.base import Monitor


@asynccontextmanager
async def attached(monitor: Monitor) -> AsyncIterator[asyncio.Event]:
    """Yield what is set when the monitor calls; it is closed in the end."""
    called = asyncio.Event()
    monitor.attach(asyncio.get_running_loop(), called.set)
    try:
        yield called
    finally:
        monitor.close()


async def is_called(called: asyncio.Event) -> None:
    """Wait until it is; a call comes at once, but the machine may be busy."""
    await asyncio.wait_for(called.wait(), 10)
