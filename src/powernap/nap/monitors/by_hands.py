# SPDX-License-Identifier: GPL-3.0-or-later
"""Monitors of files that powernapd may not see where it is not root: powernap-hands looks for them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from powernap.machine import hands
from powernap.nap.evidence import Reading
from powernap.nap.monitors.base import Monitor
from powernap.nap.sources import Sources

KINDS = ("lock", "guest", "print", "jobs")


class ByHands(Monitor):
    """Looks itself as long as it can see all that the monitor looks at; that may change with every look."""

    def __init__(self, own: Monitor) -> None:
        super().__init__(own.name, own.values)
        self.kind, self.options = own.kind, own.options  # type: ignore[misc]  # of this one, not of the class
        self._own = own
        self._told: Reading | None = None
        self._last: float | None = None

    def attach(self, loop: asyncio.AbstractEventLoop, call: Callable[[], None], sources: Sources | None = None) -> None:
        super().attach(loop, call, sources)
        self._own.attach(loop, call, sources)

    async def ask(self) -> None:
        self._told = None
        if not self._own.needs_root and all(visible(pattern) for pattern in self._own.places()):
            await self._own.ask()
            return
        said = (await hands.asked("look", monitor=self.name))["reading"]
        self._told = Reading(**{str(key): value for key, value in said.items()})

    def look(self, now: float) -> Reading:
        reading, self._told = self._told or self._own.look(now), None
        last = now if reading.active_now else reading.last_active
        if last is not None and not reading.error and (self._last is None or last > self._last):
            self._last = last  # whoever looks for us remembers nothing
        return replace(reading, last_active=self._last)

    def told(self) -> float | None:
        return self._own.told()

    def arm(self) -> None:
        self._own.arm()

    def disarm(self) -> None:
        self._own.disarm()

    def close(self) -> None:
        self._own.close()


def visible(pattern: str) -> bool:
    """Tell whether all that a pattern could mean can be seen: each folder on its way that is there may be listed."""
    return _visible(Path("/"), [part for part in pattern.split("/") if part])


def _visible(folder: Path, parts: list[str]) -> bool:
    if not parts:
        return os.access(folder, os.R_OK) or not folder.exists()
    if not os.access(folder, os.X_OK | (os.R_OK if _magic(parts[0]) else 0)):
        return False
    places = list(folder.glob(parts[0])) if _magic(parts[0]) else [folder / parts[0]]
    return all(_visible(place, parts[1:]) for place in places if len(parts) == 1 or place.is_dir())


def _magic(part: str) -> bool:
    return any(character in part for character in "*?[")
