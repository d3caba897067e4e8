# SPDX-License-Identifier: GPL-3.0-or-later
"""All monitors together."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping

from powernap.config import ConfigError, Section
from powernap.nap.evidence import Reading
from powernap.nap.monitors import KINDS, Monitor
from powernap.shared.errors import PowernapError

_log = logging.getLogger("powernapd")


class Watch:
    """Asks, arms and closes the monitors."""

    def __init__(self, monitors: Iterable[Monitor]) -> None:
        self._monitors = tuple(monitors)
        self._errors: dict[str, str] = {}

    def attach(self, loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
        for monitor in self._monitors:
            monitor.attach(loop, call)

    def look(self, now: float) -> tuple[Reading, ...]:
        return tuple(self._look(monitor, now) for monitor in self._monitors)

    def _look(self, monitor: Monitor, now: float) -> Reading:
        try:
            reading = monitor.look(now)
        except Exception as error:  # noqa: BLE001  # whatever it runs into: the machine stays awake, and people are told
            reading = Reading(monitor.name, monitor.kind, error=str(error) or type(error).__name__)
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
