# SPDX-License-Identifier: GPL-3.0-or-later
"""All monitors together."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from functools import partial

from powernap.config import ConfigError, Section
from powernap.machine import hands
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
        self._hanging: dict[str, tuple[asyncio.Task[None], float]] = {}

    def attach(self, loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
        for monitor in self._monitors:
            monitor.attach(loop, call, self._sources)
        self._sources.start()

    async def look(
        self, clock: Callable[[], float], alone: frozenset[str] = frozenset(), before: tuple[Reading, ...] = ()
    ) -> tuple[float, tuple[Reading, ...]]:
        """Ask all, or those ``alone`` and who seeks; return the time of the look (CLOCK_BOOTTIME) and the readings.

        ``before``: the readings of the last look, which serve for those that are not asked.
        """
        alone |= frozenset(monitor.name for monitor in self._monitors if monitor.seeks) if alone else alone
        known = {reading.name: reading for reading in before if reading.name not in alone} if alone else {}
        asked = [monitor for monitor in self._monitors if monitor.name not in known]
        unanswered = await self._ask(asked, clock())
        now = clock()
        new = {monitor.name: self._look(monitor, now, unanswered.get(monitor.name, "")) for monitor in asked}
        readings = tuple((new | known)[monitor.name] for monitor in self._monitors)
        # whether those that were not asked were active is not known, and noise is not to be learned in doubt
        self._sources.active = active_since(self._looked, readings) | known.keys()
        self._looked = now
        return now, readings

    async def _ask(self, monitors: Iterable[Monitor], now: float) -> dict[str, str]:
        """Ask those that need time, together; return what went wrong, by name.

        One that hangs, and does not even give up when told to, is waited for once, not at every look.
        """
        unanswered = {
            name: f"it has not answered for {now - since:.0f} s" for name, (_task, since) in self._hanging.items()
        }
        asked = {
            monitor.name: asyncio.ensure_future(monitor.ask())
            for monitor in monitors
            if type(monitor).ask is not Monitor.ask and monitor.name not in unanswered
        }
        if not asked:
            return unanswered
        try:
            await asyncio.wait(asked.values(), timeout=ASK_SECONDS)
        finally:
            for name, task in asked.items():
                if not task.done():
                    self._hanging[name] = task, now
                    task.add_done_callback(partial(self._gave_up, name))
                    task.cancel()
        return unanswered | {name: _outcome(task) for name, task in asked.items()}

    def _gave_up(self, name: str, task: asyncio.Task[None]) -> None:
        self._hanging.pop(name, None)
        _outcome(task)

    def _look(self, monitor: Monitor, now: float, error: str) -> Reading:
        try:
            reading = Reading(monitor.name, monitor.kind, error=error) if error else monitor.look(now)
        except Exception as caught:  # noqa: BLE001  # whatever it runs into
            reading = Reading(monitor.name, monitor.kind, error=sentence_of(caught))
        if reading.error and self._errors.get(monitor.name) != reading.error:
            _log.warning("monitor %s failed and counts as active: %s", monitor.name, reading.error)
        self._errors[monitor.name] = reading.error
        return reading

    def told(self) -> dict[str, float]:
        """Return the activity of which monitors were told since they were asked, by name."""
        return {monitor.name: when for monitor in self._monitors if (when := monitor.told()) is not None}

    def arm(self) -> None:
        for monitor in self._monitors:
            monitor.arm()

    def disarm(self) -> None:
        for monitor in self._monitors:
            monitor.disarm()

    def close(self) -> None:
        for task, _since in tuple(self._hanging.values()):
            task.cancel()
        for monitor in self._monitors:
            monitor.close()
        self._sources.close()


def _outcome(task: asyncio.Task[None]) -> str:
    """Return what went wrong, or "": whatever it is, the machine stays awake, and people are told."""
    if not task.done():
        return f"it did not answer within {ASK_SECONDS:g} s"
    if task.cancelled():
        return "it was interrupted"
    error = task.exception()
    return "" if error is None else sentence_of(error)


def sentence_of(error: BaseException) -> str:
    """Return what went wrong for people: of an OSError not its number."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename is not None else error.strerror
    return str(error) or type(error).__name__


def active_since(time: float | None, readings: Iterable[Reading]) -> frozenset[str]:
    """Return the names of those that were active after that time, or fail; at the first look of any that ever was."""
    return frozenset(
        reading.name
        for reading in readings
        if reading.error
        or reading.active_now
        or (reading.last_active is not None and (time is None or reading.last_active > time))
    )


def _made(section: Section) -> Monitor:
    """Raises PowernapError."""
    monitor = KINDS[section.kind](section.name, section.values)
    if not hands.needed():
        return monitor
    from powernap.nap.monitors import by_hands

    return by_hands.ByHands(monitor) if section.kind in by_hands.KINDS else monitor


def build(sections: Mapping[str, Section], origin: Mapping[str, str]) -> Watch:
    """Make the monitors of a configuration. Raises ConfigError."""
    monitors: list[Monitor] = []
    problems = []
    for section in sections.values():
        try:
            monitors.append(_made(section))
        except PowernapError as error:
            dotted = f"monitors.{section.name}"
            problems.append(f"{origin.get(dotted, '')}: {dotted}: {error}".removeprefix(": "))
    if problems:
        Watch(monitors).close()
        raise ConfigError(problems)
    return Watch(monitors)
