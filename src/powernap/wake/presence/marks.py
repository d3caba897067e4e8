# SPDX-License-Identifier: GPL-3.0-or-later
"""A few bytes for each machine, by its number in the registry: a million of them are 8 MB, and none is an object.

What is here is of this run of the daemon: after a start nobody has been seen yet.
"""

from __future__ import annotations

from array import array
from collections import Counter

from powernap.wake.presence.status import UP, Condition

_PAGE = 4096
_CONDITIONS = (None, *Condition)
_INDEX = {condition: index for index, condition in enumerate(_CONDITIONS)}
_WAKING = _INDEX[Condition.WAKING]
_UP = frozenset(_INDEX[condition] for condition in UP)
_MOST_WAYS = 255
#: From here on: it is so for all that was known before this run, in which nothing has shown it yet.
_BEFORE = len(_CONDITIONS)


class _Page:
    __slots__ = ("condition", "group", "seen", "way")

    def __init__(self) -> None:
        self.condition = array("B", bytes(_PAGE))
        self.way = array("B", bytes(_PAGE))
        self.group = array("H", bytes(2 * _PAGE))
        self.seen = array("I", bytes(4 * _PAGE))


class Marks:
    """The condition that was last told of, in which group it was counted, and when it was last seen by what."""

    def __init__(self) -> None:
        self._pages: dict[int, _Page] = {}
        self._groups: dict[str, int] = {"": 0}
        self._up: Counter[int] = Counter()
        self._waking: Counter[int] = Counter()
        self._ways: list[str] = [""]
        self._counts: Counter[int] = Counter()

    def condition(self, number: int) -> Condition | None:
        """None: nothing has shown in this run what it is."""
        page = self._pages.get(number // _PAGE)
        index = 0 if page is None else page.condition[number % _PAGE]
        return _CONDITIONS[index] if index < _BEFORE else None

    def is_up(self, number: int) -> bool:
        page = self._pages.get(number // _PAGE)
        return page is not None and page.condition[number % _PAGE] in _UP

    def counts(self) -> dict[Condition, int]:
        """How many are so, those that were taken over from before this run among them."""
        return {condition: self._counts[_INDEX[condition]] for condition in Condition}

    def take_over(self, number: int, condition: Condition) -> None:
        """It was so when the daemon started; what has been shown since counts more."""
        page, at = self._page(number), number % _PAGE
        if not page.condition[at]:
            page.condition[at] = _BEFORE + _INDEX[condition]
            self._counts[_INDEX[condition]] += 1

    def set(self, number: int, condition: Condition | None, group: str) -> None:
        """A machine of this group is so from now on; None: it is forgotten."""
        page, at = self._page(number), number % _PAGE
        self._count(page, at, -1)
        page.condition[at] = _INDEX[condition]
        page.group[at] = self._groups.setdefault(group, len(self._groups)) if len(self._groups) < 65535 else 0
        self._count(page, at, 1)
        if condition is None:
            page.seen[at] = page.way[at] = 0

    def _count(self, page: _Page, at: int, one: int) -> None:
        self._counts[page.condition[at] % _BEFORE] += one
        if page.condition[at] in _UP:
            self._up[page.group[at]] += one
        elif page.condition[at] == _WAKING:
            self._waking[page.group[at]] += one

    def up(self, group: str) -> int:
        """How many of the group are up, for all that was seen in this run."""
        index = self._groups.get(group)
        return 0 if index is None else self._up[index]

    def waking(self, group: str) -> int:
        index = self._groups.get(group)
        return 0 if index is None else self._waking[index]

    def see(self, number: int, second: float, way: str) -> None:
        """It was seen, so many seconds after the daemon's start."""
        page, at = self._page(number), number % _PAGE
        page.seen[at] = int(second) + 1
        if way not in self._ways and len(self._ways) < _MOST_WAYS:
            self._ways.append(way)
        page.way[at] = self._ways.index(way) if way in self._ways else 0

    def seen(self, number: int) -> tuple[float, str] | None:
        """When it was last seen, in seconds after the daemon's start, and by what."""
        page = self._pages.get(number // _PAGE)
        if page is None or not page.seen[number % _PAGE]:
            return None
        return page.seen[number % _PAGE] - 1.0, self._ways[page.way[number % _PAGE]]

    def _page(self, number: int) -> _Page:
        page = self._pages.get(number // _PAGE)
        if page is None:
            page = self._pages[number // _PAGE] = _Page()
        return page
