# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns knobs down, and puts them back exactly by the journal."""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from powernap.nap.powersave.journal import Entry, Journal
from powernap.nap.powersave.media import MEDIA, FrameBuffer
from powernap.nap.powersave.table import Knob

#: What a device says that has no such knob, or that has just gone.
NOT_THERE = {errno.EOPNOTSUPP, errno.ENOTTY, errno.ENODEV, errno.ENXIO, errno.ENOENT}
GONE = {errno.ENODEV, errno.ENXIO, errno.ENOENT}
KNOB, SHOWN = "knob", "shown"


class KnobBoard:
    """All of it blocks; none of it takes long unless a driver hangs. A recovery ends the turning down that hangs."""

    def __init__(self, journal: Journal, root: Path = Path("/")) -> None:
        self._journal = journal
        self._root = root
        self._recoveries = 0
        self._turning = ""

    def turn_down(self, knobs: Iterable[Knob], values: Mapping[str, str]) -> list[str]:
        """Turn the knobs down; return one sentence for each that would not be turned. ``values``: instead of theirs.

        The journal is on disk before the first is touched. Raises OSError if it cannot be: then none was.
        """
        problems: list[str] = []
        before = self._recoveries
        plan = list(self._plan(knobs, values, problems))
        self._journal.add(plan)
        shown: dict[str, str] = {}
        for entry in plan:
            if self._recoveries != before:
                return problems
            self._turning = _key(entry)
            problem, now = self._turn(entry, entry["new"])
            self._turning = ""
            if now:
                shown[_key(entry)] = now
            if problem:
                problems.append(problem)
        try:
            self._journal.add([{"what": SHOWN, "values": shown, "lasting": True}] if plan else [])
        except OSError as error:  # then all is put back without asking who turned it last
            problems.append(f"{self._journal.file}: cannot be completed: {error.strerror}")
        return problems

    def restore(self, entries: list[Entry], settled: set[int]) -> list[str]:
        """Put the knobs among the journal's entries back, the last first; return a sentence for each that could not be.

        ``settled`` gets the places of those that need no other try. What somebody else has turned since is left.
        """
        self._recoveries += 1
        problems: list[str] = []
        shown: dict[str, str] = {}
        for place, entry in reversed(list(enumerate(entries))):
            if entry["what"] == SHOWN:
                shown = entry["values"]
                settled.add(place)
            elif entry["what"] == KNOB and _key(entry) == self._turning:
                problems.append(f"/{entry['path']}: its driver hangs: put back at the next nap or start")
            elif entry["what"] == KNOB:
                entry.setdefault("shown", shown.get(_key(entry)))
                problem, again = self._put_back(entry)
                if problem:
                    problems.append(problem)
                if not again:
                    settled.add(place)
        return problems

    def _put_back(self, entry: Entry) -> tuple[str, bool]:
        """Return what went wrong, or "", and whether to try again another time."""
        medium, path = MEDIA[entry["medium"]], self._root / entry["path"]
        old: str = entry["old"]
        shown: str | None = entry["shown"]
        try:
            now = entry["new"] if isinstance(medium, FrameBuffer) else medium.read(path)
            if now == old or shown == old:
                return "", False
            # without "shown", a kill came between the plan and its end: then it was this that turned it
            if shown is not None and now != shown:
                return f"/{entry['path']}: somebody set it to {now!r} meanwhile: left so", False
        except OSError as error:
            if error.errno in GONE:
                return f"/{entry['path']}: is gone, so {old!r} is not put back", False
            return f"/{entry['path']}: cannot be read to put {old!r} back: {error.strerror}", True
        problem, then = self._turn(entry, old)
        return problem, bool(problem) and then in ("", now)

    def _plan(self, knobs: Iterable[Knob], values: Mapping[str, str], problems: list[str]) -> Iterator[Entry]:
        seen: set[tuple[str, str]] = set()
        for knob in knobs:
            medium = MEDIA[knob.medium]
            for path in sorted(self._root.glob(knob.pattern)):
                name = str(path.relative_to(self._root))
                try:
                    old = medium.read(path)
                    new = knob.choose(path, values.get(knob.name, knob.value), old)
                except OSError as error:
                    if error.errno not in NOT_THERE:
                        problems.append(f"/{name}: cannot be read: {error.strerror}")
                    continue
                except ValueError:
                    problems.append(f"/{name}: holds {old!r}, which the knob {knob.name} does not know: left alone")
                    continue
                if new is not None and old != new and (knob.medium, name) not in seen:
                    seen.add((knob.medium, name))
                    entry = {"what": KNOB, "medium": knob.medium, "path": name, "old": old, "new": new}
                    yield {**entry, "lasting": True} if knob.lasting else entry

    def _turn(self, entry: Entry, value: str) -> tuple[str, str]:
        """Write and verify; return what went wrong, or "", and what it holds now ("": not known)."""
        medium, path = MEDIA[entry["medium"]], self._root / entry["path"]
        problem, now = "", ""
        try:
            medium.write(path, value)
        except OSError as error:
            problem = f"/{entry['path']}: cannot be set to {value!r}: {error.strerror}"
        try:
            now = medium.read(path)
        except OSError as error:
            problem = problem or f"/{entry['path']}: cannot be read after it was set to {value!r}: {error.strerror}"
        if not problem and now != value:
            problem = f"/{entry['path']}: was set to {value!r}, but holds {now!r}"
        return problem, now


def _key(entry: Entry) -> str:
    return f"{entry['medium']}:{entry['path']}"
