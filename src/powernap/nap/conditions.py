# SPDX-License-Identifier: GPL-3.0-or-later
"""When a step of a nap is allowed: by power, battery, lid, screens and time of day. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_SECONDS = 86400.0
HOUR_SECONDS = 3600.0


@dataclass(frozen=True)
class Surroundings:
    """What is known of the machine's surroundings; None: not known.

    ``weekday``: 0 is Monday; ``second_of_day``: local time. ``calls``: whoever reads them looks again by itself when
    power, lid or screens change; else they must be looked at from time to time. ``power_error``: why nothing is known
    of the UPS, or "".
    """

    on_battery: bool | None = None
    battery_percent: float | None = None
    lid_closed: bool | None = None
    external_display: bool | None = None
    weekday: int | None = None
    second_of_day: float | None = None
    calls: bool = False
    power_error: str = ""

    def later(self, seconds: float) -> Surroundings:
        """Return the same surroundings after that time, by the clock of this day."""
        if self.weekday is None or self.second_of_day is None:
            return self
        days, second = divmod(self.second_of_day + seconds, DAY_SECONDS)
        return replace(self, weekday=int(self.weekday + days) % 7, second_of_day=second)


@dataclass(frozen=True)
class Conditions:
    """All of them must hold. ``between``: parts of a day such as (79200, 21600) for 22:00-06:00, local time.

    ``days``: the days on which such a part begins: 22:00-06:00 on "fri" lasts until Saturday morning.
    """

    power: str = "any"
    battery_below: float = 0.0
    lid: str = "any"
    display: str = "any"
    between: tuple[tuple[float, float], ...] = ()
    days: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """True where anything is asked for."""
        return self != Conditions()

    @property
    def timed(self) -> bool:
        """True where the time of day decides."""
        return bool(self.between or self.days)

    @property
    def facts(self) -> frozenset[str]:
        """Return which of Surroundings' facts besides time decide: "power", "battery", "lid", "display"."""
        asked = {
            "power": self.power != "any",
            "battery": bool(self.battery_below),
            "lid": self.lid != "any",
            "display": self.display != "any",
        }
        return frozenset(name for name, wanted in asked.items() if wanted)

    def holds(self, around: Surroundings) -> bool:
        return not self.unmet(around)

    def unmet(self, around: Surroundings) -> tuple[str, ...]:
        """Return what does not hold, one sentence each. What is not known does not hold."""
        said = (
            self._power(around),
            self._battery(around),
            self._lid(around),
            self._display(around),
            self._time(around),
        )
        return tuple(sentence for sentence in said if sentence)

    def next_change(self, around: Surroundings) -> float | None:
        """Return the seconds until the time of day may change the answer; None: never, or the time is not known."""
        if not self.timed or around.second_of_day is None or around.weekday is None:
            return None
        edges = {0.0, *(edge for window in self.between for edge in window)} if self.days else set(_edges(self.between))
        now = self._in_time(around)
        ahead = sorted(
            day * DAY_SECONDS + edge - around.second_of_day
            for day in range(9)
            for edge in edges
            if day * DAY_SECONDS + edge > around.second_of_day
        )
        return next((seconds for seconds in ahead if self._in_time(around.later(seconds)) is not now), None)

    def _power(self, around: Surroundings) -> str:
        if self.power == "any":
            return ""
        if around.on_battery is None:
            return "it is not known whether the machine runs on battery" + _because(around)
        if around.on_battery == (self.power == "battery"):
            return ""
        return "the machine runs on " + ("battery" if around.on_battery else "mains")

    def _battery(self, around: Surroundings) -> str:
        if not self.battery_below:
            return ""
        if around.battery_percent is None:
            return "it is not known how full the battery is" + _because(around)
        if around.battery_percent < self.battery_below:
            return ""
        return f"the battery is at {around.battery_percent:.0f} %, not below {self.battery_below:g} %"

    def _lid(self, around: Surroundings) -> str:
        if self.lid == "any":
            return ""
        if around.lid_closed is None:
            return "it is not known whether the lid is closed"
        if around.lid_closed == (self.lid == "closed"):
            return ""
        return "the lid is " + ("closed" if around.lid_closed else "open")

    def _display(self, around: Surroundings) -> str:
        if self.display == "any":
            return ""
        if around.external_display is None:
            return "it is not known whether a screen is connected"
        if around.external_display == (self.display == "external"):
            return ""
        return "an external screen is connected" if around.external_display else "no external screen is connected"

    def _time(self, around: Surroundings) -> str:
        if not self.timed:
            return ""
        if around.second_of_day is None or around.weekday is None:
            return "the local time is not known"
        if self._in_time(around):
            return ""
        minute = int(around.second_of_day // 60)
        return f"it is {DAYS[around.weekday]} {minute // 60:02d}:{minute % 60:02d}"

    def _in_time(self, around: Surroundings) -> bool:
        second, weekday = around.second_of_day, around.weekday
        if second is None or weekday is None:
            return False
        today = not self.days or DAYS[weekday] in self.days
        yesterday = not self.days or DAYS[weekday - 1] in self.days
        if not self.between:
            return today
        for begin, end in self.between:
            if begin < end:
                if today and begin <= second < end:
                    return True
            elif (today and second >= begin) or (yesterday and second < end):
                return True
        return False


def _because(around: Surroundings) -> str:
    return f" ({around.power_error})" if around.power_error else ""


def _edges(windows: tuple[tuple[float, float], ...]) -> tuple[float, ...]:
    return tuple(edge for window in windows for edge in window)


def windows(texts: tuple[str, ...]) -> tuple[tuple[float, float], ...]:
    """Return parts of a day such as "22:00-06:00" (as the schema accepts them) in seconds of the day."""
    return tuple((_seconds(begin), _seconds(end)) for begin, _dash, end in (text.partition("-") for text in texts))


def _seconds(text: str) -> float:
    hours, _colon, minutes = text.partition(":")
    return int(hours) * HOUR_SECONDS + int(minutes) * 60.0


def next_look(seconds: float) -> float:
    """Return when to look for a change that far ahead on the clock of the wall: it may be put forward by an hour."""
    return seconds - HOUR_SECONDS if seconds > HOUR_SECONDS else seconds
