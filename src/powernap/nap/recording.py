# SPDX-License-Identifier: GPL-3.0-or-later
"""Records what the monitors see, so that a day can be replayed. docs/recording.md has the format."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from powernap.config.sections import HistorySettings
from powernap.nap.evidence import Reading
from powernap.nap.history import BOOT_ID
from powernap.nap.jsonlines import JsonLines
from powernap.nap.state import State

FILE = "recording.jsonl"


class Recorder:
    """Notes every look, and sees to it that there is one every so often. Only this makes the daemon wake regularly."""

    def __init__(
        self, state_dir: Path, settings: HistorySettings, loop: asyncio.AbstractEventLoop, look: Callable[[], None]
    ) -> None:
        self.path = state_dir / FILE
        self._lines = JsonLines(self.path, settings.record_limit_kilobytes * 1024)
        self._every = settings.record_every_seconds
        self._loop, self._look = loop, look
        self._boot = BOOT_ID.read_text(encoding="ascii").strip()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def error(self) -> str:
        """Why the last look could not be written, or ""."""
        return self._lines.error

    def note(self, wall: float, state: State, in_effect: str, readings: Iterable[Reading]) -> None:
        """Write down one look."""
        self._lines.append(
            {
                "t": round(wall, 3),
                "b": round(state.now, 3),
                "boot": self._boot,
                "state": state.phase.value,
                "in_effect": in_effect,
                "monitors": {reading.name: entry(reading, state.now) for reading in readings},
            }
        )
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(self._every, self._look)

    def close(self) -> None:
        """Stop."""
        if self._timer is not None:
            self._timer.cancel()


def entry(reading: Reading, now: float) -> dict[str, Any]:
    """Return one reading; what is not so is left out."""
    last = now if reading.active_now or reading.error else reading.last_active
    optional = {
        "last": None if last is None else round(min(last, now), 3),
        "active": reading.active_now or bool(reading.error) or None,
        "counts": reading.counts or None,
        "calls": reading.calls or None,
        "error": reading.error or None,
        "value": reading.value,
        "threshold": reading.threshold,
        "unit": reading.unit or None,
    }
    return {"kind": reading.kind} | {key: value for key, value in optional.items() if value is not None}
