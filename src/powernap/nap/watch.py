# SPDX-License-Identifier: GPL-3.0-or-later
"""All monitors together."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping

from powernap.config import ConfigError, Section
from powernap.nap.evidence import Reading
from powernap.nap.monitors import KINDS, Monitor
from powernap.nap.sources import Sources
from powernap.shared.errors import PowernapError

_log = logging.getLogger("powernapd")
#: Longest time that a monitor may take to find its answer.
ASK_SECONDS = 10.0


class Watch:
    """Asks, arms and closes the monitors."""

    def __init__(self, monitors: Iterable[Monitor]) -> None:
        self._monitors = tuple(monitors)
        self._sources = Sources()
        self._errors: dict[str, str] = {}
        self._looked: float | None = None

    def attach(self, loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
        for monitor in self._monitors:
            monitor.attach(loop, call, self._sources)

    async def look(self, clock: Callable[[], float]) -> tuple[float, tuple[Reading, ...]]:
        """Ask all; return the time of the look (CLOCK_BOOTTIME) and the readings."""
        slow = [monitor for monitor in self._monitors if type(monitor).ask is not Monitor.ask]
        answers = await asyncio.gather(*(self._ask(monitor) for monitor in slow)) if slow else []
        unanswered = {monitor.name: error for monitor, error in zip(slow, answers, strict=True) if error}
        now = clock()
        readings = tuple(self._look(monitor, now, unanswered.get(monitor.name, "")) for monitor in self._monitors)
        self._sources.active = active_since(self._looked, readings)
        self._looked = now
        return now, readings

    async def _ask(self, monitor: Monitor) -> str:
        try:
            await asyncio.wait_for(monitor.ask(), ASK_SECONDS)
        except asyncio.TimeoutError:
            return f"it did not answer within {ASK_SECONDS:g} s"
        except Exception as error:  # noqa: BLE001  # whatever it runs into: the machine stays awake, and people are told
            return str(error) or type(error).__name__
        return ""

    def _look(self, monitor: Monitor, now: float, error: str) -> Reading:
        try:
            reading = Reading(monitor.name, monitor.kind, error=error) if error else monitor.look(now)
        except Exception as caught:  # noqa: BLE001  # as above
            reading = Reading(monitor.name, monitor.kind, error=str(caught) or type(caught).__name__)
        if reading.error and self._errors.get(monitor.name) != reading.error:
            _log.warning("monitor %s failed and counts as active: %s", monitor.name, reading.error)
        self._errors[monitor.name] = reading.error
        return reading

    def arm(self) -> None:
        for monitor in self._monitors:
            monitor.arm()

    def disarm(self) -> None:
        for monitor in self._monitors:
            monitor.disarm()

    def close(self) -> None:
        for monitor in self._monitors:
            monitor.close()
        self._sources.close()


def active_since(time: float | None, readings: Iterable[Reading]) -> frozenset[str]:
    """Return the names of those that were active after that time, or fail; at the first look of any that ever was."""
    return frozenset(
        reading.name
        for reading in readings
        if reading.error
        or reading.active_now
        or (reading.last_active is not None and (time is None or reading.last_active > time))
    )


def build(sections: Mapping[str, Section], origin: Mapping[str, str]) -> Watch:
    """Make the monitors of a configuration. Raises ConfigError."""
    monitors: list[Monitor] = []
    problems = []
    for section in sections.values():
        try:
            monitors.append(KINDS[section.kind](section.name, section.values))
        except PowernapError as error:
            dotted = f"monitors.{section.name}"
            problems.append(f"{origin.get(dotted, '')}: {dotted}: {error}".removeprefix(": "))
    if problems:
        Watch(monitors).close()
        raise ConfigError(problems)
    return Watch(monitors)
