# SPDX-License-Identifier: GPL-3.0-or-later
"""Parts of a week, such as "Mon-Fri 07:00-19:00 Europe/Berlin". Pure: the time is an argument."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone, tzinfo
from functools import lru_cache

from powernap.shared.errors import PowernapError

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_TEXT = re.compile(
    r"\A(?:(?P<days>[A-Za-z,-]+) +)?(?P<from>\d\d:\d\d)-(?P<to>\d\d:\d\d)(?: +(?P<zone>[A-Za-z0-9_+/-]+))?\Z"
)
_HOW = 'write it as "Mon-Fri 07:00-19:00", with a time zone behind it where it is not that of the wake server'


class BadWindow(PowernapError):
    """A text that is no part of a week."""


@dataclass(frozen=True)
class Window:
    """`days`: on which it begins, 0 is Monday; `begins`, `ends`: minutes of the day, past midnight where less.

    `zone`: None for the wake server's own. By the clock on the wall: where that is put back an hour may come twice.
    """

    days: frozenset[int]
    begins: int
    ends: int
    zone: tzinfo | None = None

    @property
    def length(self) -> timedelta:
        minutes = (self.ends - self.begins) % 1440
        return timedelta(minutes=minutes or 1440)

    def holds(self, now: float) -> bool:
        return self.ends_at(now) is not None

    def ends_at(self, now: float) -> float | None:
        """When it ends that is now (Unix times); None where it is not."""
        for back in (0, 1):
            began, end = self._of_day(now, -back)
            if began is not None and began <= now < end:
                return end
        return None

    def next_at(self, now: float) -> float:
        """When it next begins (Unix time)."""
        for ahead in range(9):
            began, _end = self._of_day(now, ahead)
            if began is not None and began > now:
                return began
        raise AssertionError("a window has a day in every week")

    def _of_day(self, now: float, days: int) -> tuple[float | None, float]:
        """Beginning and end of the window that begins so many days after today; None where none does."""
        today = datetime.fromtimestamp(now, timezone.utc).astimezone(self.zone).date() + timedelta(days=days)
        if today.weekday() not in self.days:
            return None, 0.0
        began = datetime(today.year, today.month, today.day, self.begins // 60, self.begins % 60)
        return _unix(began, self.zone), _unix(began + self.length, self.zone)


def _unix(wall: datetime, zone: tzinfo | None) -> float:
    return (wall.replace(tzinfo=zone) if zone is not None else wall).timestamp()


@lru_cache(maxsize=256)
def parse_window(text: str) -> Window:
    """Raises BadWindow."""
    match = _TEXT.match(text.strip())
    if match is None:
        raise BadWindow(f"{text!r} is no part of a week: {_HOW}")
    begins, ends = (_minutes(match[part], text) for part in ("from", "to"))
    if begins == 1440:
        raise BadWindow(f"{text!r}: a day begins at 00:00: {_HOW}")
    if begins == ends:
        raise BadWindow(f"{text!r} begins and ends at one time: write 00:00-24:00 for a whole day")
    return Window(_days(match["days"], text), begins, ends, _zone(match["zone"], text))


def _minutes(text: str, window: str) -> int:
    minutes = int(text[:2]) * 60 + int(text[3:])
    if minutes > 1440 or int(text[3:]) > 59:
        raise BadWindow(f"{window!r}: {text} is no time of day: write 00:00 to 24:00")
    return minutes


def _days(text: str | None, window: str) -> frozenset[int]:
    if text is None:
        return frozenset(range(7))
    found: set[int] = set()
    for part in text.lower().split(","):
        first, _dash, last = part.partition("-")
        if first not in _DAYS or (last or first) not in _DAYS:
            raise BadWindow(f"{window!r}: {part!r} is no day of the week: write Mon, Tue, Wed, Thu, Fri, Sat, Sun")
        begin, end = _DAYS.index(first), _DAYS.index(last or first)
        found.update(day % 7 for day in range(begin, end + 1 if end >= begin else end + 8))
    return frozenset(found)


def _zone(name: str | None, window: str) -> tzinfo | None:
    if name is None:
        return None
    from zoneinfo import ZoneInfo  # only where one is named

    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError):
        raise BadWindow(
            f"{window!r}: there is no time zone {name!r} on this machine: write one such as Europe/Berlin, or install "
            "the package tzdata"
        ) from None
