# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of logind's inhibitors hold a nap. Pure, but for the memory of when each was first seen.

"delay" inhibitors hold nothing: logind itself gives each its time before a sleep (InhibitDelayMaxSec).
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable
from dataclasses import dataclass

from powernap.config.sections.inhibitors import InhibitorSettings
from powernap.machine.logind import Inhibitor
from powernap.nap.hold import Hold

WHATS = ("sleep", "shutdown", "idle", "handle-power-key", "handle-suspend-key", "handle-lid-switch")


@dataclass(frozen=True)
class Judgement:
    """``held``: who forbids the sleep; ``ignored``: who would, but for the configuration. One sentence each."""

    held: tuple[str, ...]
    ignored: tuple[str, ...]


class Inhibitions:
    """Remembers when each inhibitor was first seen (CLOCK_BOOTTIME): logind does not tell."""

    def __init__(self) -> None:
        self._seen: dict[Inhibitor, float] = {}

    def judge(
        self, inhibitors: Iterable[Inhibitor], action: str, ordered: bool, settings: InhibitorSettings, now: float
    ) -> Judgement:
        inhibitors = tuple(inhibitors)
        self._seen = {inhibitor: self._seen.get(inhibitor, now) for inhibitor in inhibitors}
        held, ignored = [], []
        for inhibitor in inhibitors:
            if not _forbids(inhibitor, action, ordered, settings):
                continue
            age = now - self._seen[inhibitor]
            if not settings.honour:
                ignored.append(f"{inhibitor} (ignored: inhibitors.honour is false)")
            elif any(_matches(pattern, inhibitor) for pattern in settings.ignore):
                ignored.append(f"{inhibitor} (ignored: it is in inhibitors.ignore)")
            elif settings.max_hold_seconds and age >= settings.max_hold_seconds:
                ignored.append(f"{inhibitor} (ignored: held for {age:.0f} s, longer than inhibitors.max_hold_seconds)")
            else:
                longest = settings.max_hold_seconds
                held.append(Hold(str(inhibitor), self._seen[inhibitor] + longest if longest else None))
        return Judgement(tuple(held), tuple(ignored))


def _forbids(inhibitor: Inhibitor, action: str, ordered: bool, settings: InhibitorSettings) -> bool:
    if inhibitor.mode == "block-weak":
        if ordered or not settings.weak:
            return False
    elif inhibitor.mode != "block":
        return False
    what = set(inhibitor.what)
    if ordered or not settings.idle:
        what.discard("idle")
    return bool(what & {"shutdown" if action == "poweroff" else "sleep", "idle"})


def _matches(pattern: str, inhibitor: Inhibitor) -> bool:
    """A pattern "WHO:WHAT" means only inhibitors of nothing but that."""
    who, colon, what = pattern.rpartition(":")
    if not colon or what not in WHATS:
        return fnmatch.fnmatchcase(inhibitor.who, pattern)
    return fnmatch.fnmatchcase(inhibitor.who, who) and inhibitor.what == {what}
