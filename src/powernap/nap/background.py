# SPDX-License-Identifier: GPL-3.0-or-later
"""Run what blocks beside the event loop, in a thread of its own that nobody waits for at the end."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from powernap.machine import hands

_log = logging.getLogger("powernapd")
T = TypeVar("T")


async def beside(work: Callable[[], T]) -> T:
    """Return what ``work`` returns, or raise what it raises. A cancelled wait does not stop the work."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def finish(how: Callable[[], None]) -> None:
        if not done.cancelled():
            how()

    def run() -> None:
        how: Callable[[], None]
        try:
            how = partial(done.set_result, work())
        except BaseException as error:  # noqa: BLE001  # it is raised again where it is awaited
            how = partial(done.set_exception, error)
        if not loop.is_closed():
            loop.call_soon_threadsafe(finish, how)

    threading.Thread(target=run, daemon=True).start()
    return await done


async def asking(work: Callable[[], T]) -> T:
    """The same for what is done at once, unless powernap-hands must be asked for it."""
    return await beside(work) if hands.needed() else work()


def log_defect(task: asyncio.Task[Any]) -> None:
    """When a task has ended: say what it failed with."""
    if not task.cancelled() and task.exception() is not None:
        _log.error("internal error: %s", task.exception(), exc_info=task.exception())
