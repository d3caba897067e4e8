# SPDX-License-Identifier: GPL-3.0-or-later
"""May a machine nap now, as far as the site is concerned? Pure. Waking is never refused here."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from powernap.wake.orders.windows import Window

#: Where no time is known at which it would be otherwise.
AGAIN_SECONDS = 60.0
#: Where somebody has to try first.
UNPROVEN_SECONDS = 300.0
_WHOLE_GROUP = "@"


class Refusal(NamedTuple):
    """One sentence, and after how many seconds it is worth asking again."""

    why: str
    again_seconds: float = AGAIN_SECONDS


@dataclass(frozen=True)
class Rules:
    """Of one group. `keep`, `keep_percent`: machines that stay up; `needs`: machines, and groups as @NAME.

    Naps are possible within `may` (where there is any), not within `must_not` nor `up`.
    """

    keep: int = 0
    keep_percent: float = 0.0
    naps_per_minute: int = 0
    needs: tuple[str, ...] = ()
    may: tuple[Window, ...] = ()
    must_not: tuple[Window, ...] = ()
    up: tuple[Window, ...] = ()

    @property
    def keeps(self) -> bool:
        return bool(self.keep or self.keep_percent)

    def least(self, machines: int) -> int:
        """How many of so many machines stay up."""
        return max(self.keep, math.ceil(machines * self.keep_percent / 100 - 1e-9))


@dataclass(frozen=True)
class Group:
    """A group as it is now. `machines`: in all; `up`: of which it is known; `leaving`: of these, let go already.

    `tokens_at`: when its next nap has a turn (Unix time), where naps have a rate.
    """

    name: str
    machines: int = 0
    up: int = 0
    leaving: int = 0
    tokens_at: float = 0.0


class Asker(NamedTuple):
    """Who wants to nap. `counted`: it is among those that are up. `mark`: why its canary failed, or "".

    `unproven`: why it waits for another's canary, one sentence, or "".

    `needed_by`: groups with a machine that is up and needs it; `doubtful`: groups that do, and nobody knows yet.
    """

    name: str
    counted: bool
    mark: str = ""
    needed_by: tuple[str, ...] = ()
    doubtful: tuple[str, ...] = ()
    unproven: str = ""


def may_nap(asker: Asker, group: Group, rules: Rules, now: float) -> Refusal | None:
    """None: it may. All of the policy but the rate holds for a machine that asks again, too."""
    if asker.mark:
        return Refusal(
            f"{asker.name} did not wake when that was tried ({asker.mark}): repair that, and clear it with 'powerwake "
            f"canary --clear {asker.name}'",
            3600.0,
        )
    if asker.unproven:
        return Refusal(asker.unproven, UNPROVEN_SECONDS)
    return _by_time(group, rules, now) or _by_need(asker) or _by_number(asker, group, rules) or _by_rate(group, now)


def _by_time(group: Group, rules: Rules, now: float) -> Refusal | None:
    for windows, what in ((rules.must_not, "may not nap at this time"), (rules.up, "stays awake at this time")):
        ends = max((end for end in (window.ends_at(now) for window in windows) if end is not None), default=None)
        if ends is not None:
            return Refusal(f"group {group.name} {what}", max(1.0, ends - now))
    if rules.may and not any(window.holds(now) for window in rules.may):
        begins = min(window.next_at(now) for window in rules.may)
        return Refusal(f"group {group.name} may nap at other times only", max(1.0, begins - now))
    return None


def _by_need(asker: Asker) -> Refusal | None:
    if asker.needed_by:
        return Refusal(f"group {asker.needed_by[0]} has machines awake, and needs {asker.name}")
    if asker.doubtful:
        return Refusal(
            f"powerwaked has just started: whether group {asker.doubtful[0]} needs it is not known yet", 15.0
        )
    return None


def _by_number(asker: Asker, group: Group, rules: Rules) -> Refusal | None:
    least = rules.least(group.machines)
    left = group.up - group.leaving - (1 if asker.counted else 0)
    if not rules.keeps or left >= least:
        return None
    others = f"{group.leaving} more on their way to sleep, " if group.leaving else ""
    return Refusal(
        f"group {group.name} keeps {least} of {group.machines} awake, and {group.up} are ({others}{left} would be left)"
    )


def _by_rate(group: Group, now: float) -> Refusal | None:
    if group.tokens_at <= now:
        return None
    return Refusal(f"as many of group {group.name} nap in a minute as may", max(1.0, group.tokens_at - now))


@dataclass(frozen=True)
class Dependencies:
    """Who needs whom. `needs`: by group; a name is a machine's, or with @ before it a group's."""

    needs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def of(self, group: str) -> tuple[str, ...]:
        """Whom a machine of the group needs: machines, and groups as @NAME."""
        return self.needs.get(group, ())

    def needing(self, name: str, group: str) -> tuple[str, ...]:
        """Groups whose machines need this one."""
        wanted = {name, _WHOLE_GROUP + group} if group else {name}
        return tuple(each for each, needed in self.needs.items() if each != group and wanted.intersection(needed))

    def circle(self) -> tuple[str, ...]:
        """Groups that need each other, so that none of them could ever nap; empty where there are none."""
        for start in self.needs:
            path = self._back_to(start, start, (start,))
            if path:
                return path
        return ()

    def _back_to(self, start: str, at: str, path: tuple[str, ...]) -> tuple[str, ...]:
        for needed in self.of(at):
            group = needed[1:] if needed.startswith(_WHOLE_GROUP) else ""
            if group == start:
                return (*path, start)
            if group and group not in path:
                found = self._back_to(start, group, (*path, group))
                if found:
                    return found
        return ()
