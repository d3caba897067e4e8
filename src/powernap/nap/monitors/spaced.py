# SPDX-License-Identifier: GPL-3.0-or-later
"""What monitors have in common that must not be asked at every look: an answer serves for a while."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from powernap.machine import clocks
from powernap.nap.evidence import Reading
from powernap.nap.monitors.base import Monitor
from powernap.shared.schema import Option

#: A look waits 10 s for an answer: a limit above that would never be reached.
MOST_SECONDS = 9.0

EVERY = Option(
    "every",
    "float",
    10,
    "time for which an answer serves: it is not asked more often",
    unit="seconds",
    minimum=0,
    maximum=3600,
)


@dataclass(frozen=True)
class Answer:
    """``last``: the last activity (CLOCK_BOOTTIME) where an idle answer tells it."""

    active: bool
    detail: str
    last: float | None = None
    value: float | None = None
    threshold: float | None = None


class SpacedMonitor(Monitor):
    """Asked at the looks, but no sooner than ``every`` seconds after the last answer; a failure is asked again."""

    source = ""

    def __init__(self, name: str, values: Mapping[str, Any]) -> None:
        super().__init__(name, {option.name: option.default for option in self.options} | dict(values))
        self._answer: Answer | None = None
        self._asked = 0.0
        self._last: float | None = None

    async def question(self) -> Answer:
        """Ask. Raises PowernapError."""
        raise NotImplementedError

    async def ask(self) -> None:
        now = clocks.now()
        if self._answer is not None and 0 <= now - self._asked < self.values["every"]:
            return
        self._answer = None
        answer = await self.question()
        self._answer, self._asked = answer, clocks.now()
        last = self._asked if answer.active else answer.last
        if last is not None and (self._last is None or last > self._last):
            self._last = last

    def look(self, now: float) -> Reading:
        answer = self._answer
        if answer is None:
            raise OSError("it was not asked yet")
        return self.reading(
            last_active=now if answer.active else self._last,
            active_now=answer.active,
            detail=answer.detail,
            source=self.source,
            counts=True,
            value=answer.value,
            threshold=answer.threshold,
        )
