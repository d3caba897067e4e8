# SPDX-License-Identifier: GPL-3.0-or-later
"""The two-phase commit of a sleep: the kernel's count of wake-up events is read, and given back after the last look."""

from __future__ import annotations

import asyncio
from pathlib import Path

from powernap.machine import hands, wakecause, wakeupcount
from powernap.machine.wakeupcount import WakeEvent
from powernap.nap.background import asking, beside

#: How long an event in progress may hold up a sleep until that is called off.
IN_PROGRESS_SECONDS = 5.0


class TwoPhase:
    """One sleep at a time. ``begin``, look, ``arm``, sleep; or ``abandon``."""

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root
        self._count = ""
        self._reading: asyncio.Task[str] | None = None
        self._forgetting: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        """Read the count. Raises WakeEvent."""
        self._count = ""
        if self._reading is None or self._reading.done():
            self._reading = asyncio.ensure_future(beside(lambda: wakeupcount.read(self._root)))
            self._reading.add_done_callback(lambda done: done.cancelled() or done.exception())
            waiting = self._reading
        else:  # the kernel still holds the last read up: no second thread beside it
            waiting = self._reading
        try:
            count = await asyncio.wait_for(asyncio.shield(waiting), IN_PROGRESS_SECONDS)
        except asyncio.TimeoutError:
            who = wakecause.active(self._root) or "see /sys/kernel/debug/wakeup_sources"
            raise WakeEvent(
                f"a wake-up event is in progress ({who}): where that never ends, set sleep.wakeup_count = false"
            ) from None
        self._count = count

    async def arm(self) -> None:
        """Give the count back: from here on the kernel calls the sleep off. Raises WakeEvent."""
        count = self._count
        if self._forgetting is not None:
            await self._forgetting  # what is forgotten later than this would be this sleep's
        if count:
            await asking(lambda: wakeupcount.write(count, self._root))

    def abandon(self) -> None:
        """There is no sleep after all. Where powernap-hands must be asked, nobody waits for it but the next sleep."""
        count, self._count = self._count, ""
        if count and hands.needed():
            before, self._forgetting = self._forgetting, None
            self._forgetting = asyncio.ensure_future(self._forget(count, before))
        elif count:
            wakeupcount.forget(count, self._root)

    async def _forget(self, count: str, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await before
        await beside(lambda: wakeupcount.forget(count, self._root))
