# SPDX-License-Identifier: GPL-3.0-or-later
"""Gather what will run by itself: systemd's timers, cron and at."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from powernap.machine import hands, timers
from powernap.machine.dbus import Bus
from powernap.nap.background import beside
from powernap.nap.lookahead import Job
from powernap.shared import atjobs, cron

REMEDY = "powernap-hands needs CAP_DAC_READ_SEARCH for it; or set sleep.min_sleep_seconds = 0 and sleep.wake_for = []"
#: A file that was changed this shortly before it was read may change again without showing it: its times are coarse.
FRESH_SECONDS = 2.0
_Stamp = tuple[int, int, int, int]


@dataclass(frozen=True)
class _Known:
    """What was read at ``wall``, and what tells whether it would be read again alike."""

    wall: float
    jobs: tuple[Job, ...]
    problems: tuple[str, ...]
    stamps: dict[Path, _Stamp | None]
    once: bool = False

    def serves(self, wall: float) -> bool:
        """Tell whether the files are as they were, and none of the jobs was due since."""
        if (
            self.once
            or self.problems
            or not self.wall <= wall < min((job.at for job in self.jobs if job.at > self.wall), default=wall + 1)
        ):
            return False
        fresh = (self.wall - FRESH_SECONDS) * 1e9
        stamps = self.stamps.items()
        return all(_stamp(path) == stamp and (stamp is None or stamp[1] < fresh) for path, stamp in stamps)


class JobFiles:
    """The files of cron and at. They are read only where one changed, or a job was due."""

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root
        self._known: _Known | None = None

    async def read(self, wall: float) -> tuple[tuple[Job, ...], tuple[str, ...]]:
        """Return their jobs, and what could not be read, one sentence each."""
        if self._known is None or not self._known.serves(wall):
            self._known = await beside(lambda: _read(wall, self._root))
        return self._known.jobs, self._known.problems


async def gather(bus: Bus | None, files: JobFiles, root: Path = Path("/")) -> tuple[tuple[Job, ...], tuple[str, ...]]:
    """Return all jobs, and what could not be read, one sentence each. Raises BusError."""
    wall = time.time()
    found: tuple[Job, ...] = ()
    if bus is not None and (root / "run/systemd/system").is_dir():
        elapse = await timers.read(bus, wall, time.clock_gettime(time.CLOCK_MONOTONIC))
        found = tuple(Job(timer.name, timer.at, timer.every, timer.wakes, timer.pauses) for timer in elapse)
    jobs, problems = await files.read(wall)
    return (*found, *jobs), problems


def of_files(wall: float, root: Path) -> tuple[tuple[Job, ...], tuple[str, ...]]:
    """Return the jobs of cron and at, and what could not be read, one sentence each. Blocks."""
    cron_jobs, cron_problems = cron.read(wall, root)
    at_jobs, at_problems = atjobs.read(root)
    jobs = (*(Job(job.name, job.at, job.every) for job in cron_jobs), *(Job(name, at) for name, at in at_jobs))
    return jobs, tuple(f"{problem}: {REMEDY}" for problem in (*cron_problems, *at_problems))


def _read(wall: float, root: Path) -> _Known:
    if hands.needed():
        return _told(wall)
    stamps = {path: _stamp(path) for path in _paths(root)}
    return _Known(wall, *of_files(wall, root), stamps)


def _told(wall: float) -> _Known:
    """What powernap-hands reads; nobody else sees whether the files are as they were, so it serves once."""
    try:
        answer = hands.ask("jobs")
        return _Known(wall, tuple(Job(**job) for job in answer["jobs"]), tuple(answer["problems"]), {}, once=True)
    except (hands.HandsError, KeyError, TypeError) as error:
        return _Known(wall, (), (f"crontabs cannot be read: {error}",), {}, once=True)


def _paths(root: Path) -> Iterator[Path]:
    """Yield what the jobs are read from: files, folders, and what is in those of cron."""
    yield root / "etc/localtime"
    yield from (root / name for name in atjobs.FOLDERS)
    for name, _with_user in cron.FOLDERS:
        yield root / name
        try:
            yield from (root / name).iterdir()
        except OSError:
            continue  # a file, or not there


def _stamp(path: Path) -> _Stamp | None:
    """Return what changes with a file: number, change and modification (ns), and size; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_ctime_ns, found.st_mtime_ns, found.st_size
