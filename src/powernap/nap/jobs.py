# SPDX-License-Identifier: GPL-3.0-or-later
"""Gather what will run by itself: systemd's timers, cron and at."""

from __future__ import annotations

import time
from pathlib import Path

from powernap.machine import atjobs, cron, timers
from powernap.machine.dbus import Bus
from powernap.nap.background import beside
from powernap.nap.lookahead import Job

REMEDY = "powernapd needs CAP_DAC_READ_SEARCH for it; or set sleep.min_sleep_seconds = 0 and sleep.wake_for = []"


async def gather(bus: Bus | None, root: Path = Path("/")) -> tuple[tuple[Job, ...], tuple[str, ...]]:
    """Return the jobs, and what could not be read, one sentence each. Raises BusError."""
    wall = time.time()
    found = []
    if bus is not None and (root / "run/systemd/system").is_dir():
        elapse = await timers.read(bus, wall, time.clock_gettime(time.CLOCK_MONOTONIC))
        found += [Job(timer.name, timer.at, timer.every, timer.wakes, timer.pauses) for timer in elapse]
    (cron_jobs, cron_problems), (at_jobs, at_problems) = await beside(
        lambda: (cron.read(wall, root), atjobs.read(root))
    )
    found += [Job(job.name, job.at, job.every) for job in cron_jobs]
    found += [Job(name, at) for name, at in at_jobs]
    return tuple(found), tuple(f"{problem}: {REMEDY}" for problem in (*cron_problems, *at_problems))
