# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When cron jobs run next: the crontabs of the system and of users, as in crontab(5) of Debian's cron and of cronie.

@reboot is no time. A time that a change of clocks skips counts as the change itself, as with both; one that comes twice
counts twice, which is one wake-up too many at worst.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone, tzinfo
from pathlib import Path

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
NAMED = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
#: What package managers and editors leave behind is no crontab.
NO_CRONTAB = re.compile(r"\A[.#]|[~#]\Z|\.(dpkg-\w+|rpmsave|rpmorig|rpmnew)\Z")
#: Where crontabs are, and whether their lines name a user: the last is cronie's place for those of users.
FOLDERS = (("etc/crontab", True), ("etc/cron.d", True), ("var/spool/cron/crontabs", False), ("var/spool/cron", False))
#: 29 February may be 8 years away.
LONGEST_DAYS = 8 * 366
_ASSIGNMENT = re.compile(r"""\A\s*["']?(\w+)["']?\s*=\s*(.*?)\s*\Z""")


class BadSchedule(ValueError):
    """Five fields that are none."""


@dataclass(frozen=True)
class Schedule:
    """Which minutes match. ``either``: a day matches by the month or by the week, as both fields are restricted."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either: bool

    def on(self, day: date) -> bool:
        if day.month not in self.months:
            return False
        by_month, by_week = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return by_month or by_week if self.either else by_month and by_week

    def next(self, after: float, zone: tzinfo) -> float | None:
        """Return the first time after that one (both seconds since the epoch), or None if there is none."""
        day = datetime.fromtimestamp(after, zone).date()
        for _day in range(LONGEST_DAYS):
            if self.on(day):
                found = self._first_on(day, after, zone)
                if found is not None:
                    return found
            day += timedelta(days=1)
        return None

    def _first_on(self, day: date, after: float, zone: tzinfo) -> float | None:
        midnight = datetime(day.year, day.month, day.day, tzinfo=zone)
        begin, offset = midnight.timestamp(), midnight.utcoffset()
        steady = (
            datetime.fromtimestamp(begin + 86400, zone).utcoffset() == offset == (midnight + timedelta(1)).utcoffset()
        )
        if steady:
            for hour in self.hours:
                if begin + 3600 * (hour + 1) <= after:
                    continue
                for minute in self.minutes:
                    at = begin + 3600 * hour + 60 * minute
                    if at > after:
                        return at
            return None
        times = [at for hour in self.hours for minute in self.minutes for at in _instants(midnight, hour, minute)]
        return min((at for at in times if at > after), default=None)


@dataclass(frozen=True)
class CronJob:
    """``name``: the crontab's path and the command; ``at``: seconds since the epoch; ``every``: to the run after it."""

    name: str
    at: float
    every: float | None


def parse_schedule(text: str) -> Schedule:
    """Read five fields, or a name such as @daily. Raises BadSchedule."""
    fields = NAMED.get(text.strip().lower(), text).split()
    if len(fields) != 5:
        raise BadSchedule(f"{text!r} has {len(fields)} fields instead of 5")
    minute, hour, day, month, weekday = fields
    return Schedule(
        tuple(sorted(_field(minute, 0, 59))),
        tuple(sorted(_field(hour, 0, 23))),
        frozenset(_field(day, 1, 31)),
        frozenset(_field(month, 1, 12, MONTHS)),
        frozenset(number % 7 for number in _field(weekday, 0, 7, DAYS)),
        not day.startswith("*") and not weekday.startswith("*"),
    )


def _field(text: str, first: int, last: int, names: tuple[str, ...] = ()) -> set[int]:
    found: set[int] = set()
    for part in text.split(","):
        span, slash, step = part.partition("/")
        if slash and not (step.isascii() and step.isdigit() and int(step)):
            raise BadSchedule(f"{step!r} is no step")
        if span == "*":
            begin, end = first, last
        else:
            begin_text, dash, end_text = span.replace("~", "-").partition("-")  # a random time: any of them
            begin = _number(begin_text or str(first), first, last, names)
            end = _number(end_text or str(last), first, last, names) if dash else last if slash else begin
        if begin > end:
            raise BadSchedule(f"{part!r} ends before it begins")
        found.update(range(begin, end + 1, int(step) if slash else 1))
    return found


def _number(text: str, first: int, last: int, names: tuple[str, ...]) -> int:
    if text.lower() in names:
        return names.index(text.lower()) + (1 if names is MONTHS else 0)
    if not (text.isascii() and text.isdigit()) or not first <= int(text) <= last:
        raise BadSchedule(f"{text!r} is not between {first} and {last}")
    return int(text)


def entries(text: str, with_user: bool) -> Iterator[tuple[Schedule, str, str]]:
    """Yield (schedule, command, time zone's name or "") for each job; lines that are none are cron's to complain of."""
    zone = ""
    for line in text.splitlines():
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        words = line.split(None, 1 if line.startswith("@") else 5)
        assignment = None if line[0] in "@*" or line[0].isdigit() else _ASSIGNMENT.match(line)
        if assignment:
            if assignment[1] == "CRON_TZ":
                zone = assignment[2].strip("\"'")
            continue
        when, command = " ".join(words[:-1]), words[-1]
        if with_user:
            command = command.partition(" ")[2].strip() or command
        try:
            yield parse_schedule(when), command, zone
        except BadSchedule:
            continue


def jobs(text: str, file: str, with_user: bool, now: float, local: tzinfo) -> Iterator[CronJob]:
    """Yield each job of a crontab that will run."""
    for schedule, command, name in entries(text, with_user):
        zone = _zone(name) or local
        at = schedule.next(now, zone)
        if at is not None:
            following = schedule.next(at, zone)
            yield CronJob(f"cron {file}: {command}", at, None if following is None else following - at)


def read(now: float, root: Path = Path("/")) -> tuple[list[CronJob], list[str]]:
    """Return all cron jobs, and what could not be read, one sentence each."""
    found: list[CronJob] = []
    problems: list[str] = []
    local = local_zone(root)
    for folder, with_user in FOLDERS:
        for file in _files(root / folder, problems):
            try:
                text = file.read_text(errors="replace")
            except OSError as error:
                problems.append(f"/{file.relative_to(root)} cannot be read ({error.strerror})")
                continue
            found += jobs(text, f"/{file.relative_to(root)}", with_user, now, local)
    return found, problems


def local_zone(root: Path = Path("/")) -> tzinfo:
    """Return the machine's time zone."""
    from zoneinfo import ZoneInfo

    try:
        with (root / "etc/localtime").open("rb") as stream:
            return ZoneInfo.from_file(stream)
    except (OSError, ValueError):
        return timezone.utc


def _zone(name: str) -> tzinfo | None:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def _files(path: Path, problems: list[str]) -> Iterable[Path]:
    try:
        if path.is_file():
            return [path]
        return sorted(file for file in path.iterdir() if file.is_file() and not NO_CRONTAB.search(file.name))
    except FileNotFoundError:
        return []
    except OSError as error:
        problems.append(f"{path} cannot be read ({error.strerror})")
        return []


def _instants(midnight: datetime, hour: int, minute: int) -> set[float]:
    """Return when a local time is: once, twice (clocks put back), or the moment of the change that skips it."""
    found = set()
    for fold in (0, 1):
        local = midnight.replace(hour=hour, minute=minute, fold=fold)
        at = local.timestamp()
        back = datetime.fromtimestamp(at, midnight.tzinfo)
        if (back.hour, back.minute) == (hour, minute):
            found.add(at)
    if found:
        return found
    early, late = sorted(midnight.replace(hour=hour, minute=minute, fold=fold).timestamp() for fold in (0, 1))
    before = datetime.fromtimestamp(early, midnight.tzinfo).utcoffset()
    while late - early > 1:
        middle = (early + late) // 2
        if datetime.fromtimestamp(middle, midnight.tzinfo).utcoffset() == before:
            early = middle
        else:
            late = middle
    return {late}
