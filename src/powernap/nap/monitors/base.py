# SPDX-License-Identifier: GPL-3.0-or-later
"""What every monitor is. None of them polls: the engine says when to look."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from powernap.nap.evidence import Reading
from powernap.nap.sources import Sources
from powernap.shared.schema import Option


class Monitor:
    """One source of activity.

    ``look`` is asked for the time of the last activity. A monitor that can tell by itself that activity ended, or
    began, calls ``self.call()``; ``arm`` asks it to do so at the next activity, which may cost wakeups.
    """

    kind: ClassVar[str]
    summary: ClassVar[str]
    options: ClassVar[tuple[Option, ...]] = ()
    #: True where a look finds what is new to listen to, such as a NIC that was plugged in: it is asked at each look.
    seeks: ClassVar[bool] = False
    #: True where it looks at processes of all users, which are hidden from a powernapd that is not root.
    needs_root: ClassVar[bool] = False

    def __init__(self, name: str, values: Mapping[str, Any]) -> None:
        self.name = name
        self.values = values
        self.loop: asyncio.AbstractEventLoop | None = None
        self.call: Callable[[], None] = lambda: None
        self.sources = Sources()

    def attach(self, loop: asyncio.AbstractEventLoop, call: Callable[[], None], sources: Sources | None = None) -> None:
        """Give the monitor an event loop, whom to call, and what it shares with others."""
        self.loop, self.call, self.sources = loop, call, sources or Sources()

    async def ask(self) -> None:
        """Ask what takes time (a bus, a program): ``look`` follows, and reports the answer.

        Cancelled after ASK_SECONDS. What it raises makes the monitor count as active.
        """

    def look(self, now: float) -> Reading:
        """Return the reading at that time (CLOCK_BOOTTIME). May raise OSError: then it counts as active."""
        raise NotImplementedError

    def told(self) -> float | None:
        """Return the newest activity that it was told of since its last look; None: it must be looked at to know."""
        return None

    def places(self) -> tuple[str, ...]:
        """Return patterns of all files that it looks at, for those kinds that look at files which may be root's."""
        return ()

    def arm(self) -> None:
        """Call at the next activity, where that can be had; the readings say so by ``calls``."""

    def disarm(self) -> None:
        """Undo ``arm``."""

    def close(self) -> None:
        """Give everything back."""

    def reading(self, **fields: Any) -> Reading:
        return Reading(self.name, self.kind, **fields)
