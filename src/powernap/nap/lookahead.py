# SPDX-License-Identifier: GPL-3.0-or-later
"""What is due while the machine would sleep. Pure. Times are seconds since the epoch, by the wall clock.

A job that pauses counts no time asleep: it is never missed by a sleep, only put off, so it holds one that would begin
shortly before it and is woken for only where the configuration names it.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable
from dataclasses import dataclass

from powernap.config.sections.sleep import SleepSettings
from powernap.nap.hold import Hold

#: A job that was due longer ago than this, and whose next time is still that one, is not about to run.
STALE_SECONDS = 60.0


@dataclass(frozen=True)
class Job:
    """``every``: seconds between its runs, None where unknown; ``wakes``: it asks by itself to be woken for.

    ``pauses``: its clock stands still while the machine sleeps; ``at`` is right only if it does not.
    """

    name: str
    at: float
    every: float | None = None
    wakes: bool = False
    pauses: bool = False


@dataclass(frozen=True)
class Plan:
    """``held``: which jobs forbid a sleep now, each until it runs; ``notes``: what else is to be known.

    ``wake_at``: when to wake by the clock; ``wake_for``: for which job, or why.
    """

    held: tuple[Hold, ...] = ()
    notes: tuple[str, ...] = ()
    wake_at: float | None = None
    wake_for: str = ""


def plan(jobs: Iterable[Job], settings: SleepSettings, now: float, ordered: bool = False) -> Plan:
    """Decide for a sleep that would begin now. One that somebody ordered is held by no job, but wakes for it."""
    held: list[Hold] = []
    notes, wakes = [], []
    for job in sorted(jobs, key=lambda job: job.at):
        if job.at < now - STALE_SECONDS or _named(job, settings.ignore_timers):
            continue
        wanted = job.wakes or _named(job, settings.wake_for)
        needed = job.at - settings.wake_lead_seconds if wanted else job.at
        if needed - now < settings.min_sleep_seconds and not ordered:
            if not wanted and job.every is not None and job.every <= settings.min_sleep_seconds:
                notes.append(f"{job.name} runs every {job.every:.0f} s and holds no nap: that would hold all of them")
            else:
                due = f"{job.name} is due in {max(0.0, job.at - now):.0f} s"
                held.append(Hold(f"{due} (sleep.min_sleep_seconds is {settings.min_sleep_seconds:g})", job.at))
        if wanted:
            wakes.append((max(needed, now), job.name))
            if job.pauses:
                notes.append(
                    f"{job.name} counts no time asleep: woken for it, the machine must stay awake for another "
                    f"{max(0.0, job.at - now):.0f} s until it runs, unless it has WakeSystem=yes"
                )
    if settings.max_sleep_seconds:
        wakes.append((now + settings.max_sleep_seconds, "sleep.max_sleep_seconds"))
    wake_at, wake_for = min(wakes, default=(None, ""))
    return Plan(tuple(held), tuple(notes), wake_at, wake_for)


def missed(jobs: Iterable[Job], settings: SleepSettings, asleep: float, awake: float) -> tuple[str, ...]:
    """Return what was due while the machine slept, one sentence each."""
    return tuple(
        f"{job.name} was due {awake - job.at:.0f} s before the machine woke"
        for job in sorted(jobs, key=lambda job: job.at)
        if asleep < job.at < awake and not job.pauses and not _named(job, settings.ignore_timers)
    )


def _named(job: Job, patterns: Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(job.name, pattern) for pattern in patterns)
