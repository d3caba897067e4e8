# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs that are due, the clock's alarm for those that the machine is to be woken for, and what woke it."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING

from powernap.config.sections.sleep import SleepSettings
from powernap.machine import clocks, wakecause
from powernap.machine.dbus import BusError
from powernap.machine.logind import Logind
from powernap.machine.rtc import Alarm, NoClock
from powernap.nap.background import asking
from powernap.nap.lookahead import Job, Plan, missed, plan

if TYPE_CHECKING:
    from powernap.nap.jobs import JobFiles

_log = logging.getLogger("powernapd")
#: How old the list of jobs may be.
LIST_SECONDS = 10.0
#: An alarm of whole seconds wakes the machine so much earlier than asked, at most.
EARLY_SECONDS = 2.0
CANARY = "the end of a canary"


class Alarms:
    """Looks ahead before a sleep, and back after it."""

    def __init__(self, root: Path = Path("/")) -> None:
        self.settings = SleepSettings()
        self._root = root
        self._alarm = Alarm(root)
        self._files: JobFiles | None = None
        self._jobs: tuple[Job, ...] = ()
        self._problems: tuple[str, ...] = ()
        self._listed_at = float("-inf")
        self._plan = Plan()
        self.due: float | None = None
        self._wake_for = ""
        self._counts: dict[str, int] | None = None
        self._missed: tuple[str, ...] = ()
        self.longest_seconds: float | None = None  #: of the next sleep alone: it ends by the clock, whatever happens

    def possible(self) -> bool:
        """Tell whether some clock can wake this machine."""
        return self._alarm.possible()

    async def prepare(self) -> None:
        """Read what a look needs: little remains to be done for the first time when a sleep is due."""
        if self._looks_ahead():
            await self._job_files().read(time.time())

    def _job_files(self) -> JobFiles:
        if self._files is None:
            from powernap.nap.jobs import JobFiles

            self._files = JobFiles(self._root)
        return self._files

    def _looks_ahead(self) -> bool:
        return bool(self.settings.min_sleep_seconds or self.settings.wake_for)

    async def look(self, logind: Logind | None, ordered: bool) -> tuple[str, ...]:
        """Return which jobs forbid a sleep now, one sentence each. Raises nothing: what cannot be read forbids it, too.

        ``logind``: through whose connection systemd's timers are asked; None: there is no systemd.
        """
        settings = self.settings
        if clocks.now() - self._listed_at > LIST_SECONDS:
            self._jobs, self._problems = (), ()
            if self._looks_ahead():
                from powernap.nap.jobs import gather

                try:
                    bus = logind.bus if logind is not None else None
                    self._jobs, self._problems = await gather(bus, self._job_files(), self._root)
                except BusError as error:
                    self._problems = (f"systemd's timers cannot be asked: {error}",)
            self._listed_at = float("-inf") if self._problems else clocks.now()
        self._plan = plan(self._jobs, settings, time.time(), ordered)
        ahead = clocks.now() - time.time()
        held: tuple[str, ...] = tuple(job.by_clock(ahead) for job in self._plan.held)
        held += () if ordered else self._problems
        if self._plan.wake_at is not None and not self._is_limit() and not self._alarm.possible():
            held += (f"{self._plan.wake_for} is to be woken for, but this machine has no clock that can wake it",)
        return held

    async def set(self, action: str) -> None:
        """Set the alarm that the last look found needful. Raises NoClock."""
        self._missed = ()
        self._counts = wakecause.snapshot(self._root)
        self.due = None
        seconds, wake_for = self._ends()
        if seconds is None:
            return
        try:
            how = await asking(lambda: self._alarm.set(seconds, through_poweroff=action != "suspend"))
        except NoClock as error:
            if not self._is_limit() or wake_for == CANARY:
                raise
            _log.warning("%s, so sleep.max_sleep_seconds has no effect", error)
            return
        self.due, self._wake_for = clocks.now() + seconds, wake_for
        _log.info("the machine wakes by its clock in %.0f s for %s (%s)", seconds, self._wake_for, how)

    def _ends(self) -> tuple[float | None, str]:
        """Return in how many seconds the clock is to wake the machine, and for what; None: it need not."""
        planned = None if self._plan.wake_at is None else max(1.0, self._plan.wake_at - time.time())
        longest = self.longest_seconds
        if longest is not None and (planned is None or longest < planned):
            return longest, CANARY
        return planned, self._plan.wake_for

    def woken(self, slept_seconds: float) -> str:
        """The machine runs again: take the alarm back, and return what woke it; "" where nothing tells."""
        ours = self.due is not None and clocks.now() >= self.due - EARLY_SECONDS
        causes = [f"clock, for {self._wake_for}"] if ours else []
        if self._counts is not None:
            causes.append(wakecause.cause(self._counts, self._root))
        now = time.time()
        self._missed = missed(self._jobs, self.settings, now - slept_seconds, now)
        self._listed_at = float("-inf")
        self.clear()
        return ", ".join(cause for cause in causes if cause)

    def clear(self) -> None:
        """Take the alarm back."""
        self._alarm.clear()
        self.due, self._counts, self.longest_seconds = None, None, None

    def notes(self) -> tuple[str, ...]:
        """Return what people should know, one sentence each."""
        return (*self._plan.notes, *self._missed)

    def _is_limit(self) -> bool:
        return self._plan.wake_for == "sleep.max_sleep_seconds"
