# SPDX-License-Identifier: GPL-3.0-or-later
"""Where every wake passes before its first volley: the budget, with the event loop's clock and timer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from powernap.wake.budget import Budget, Limit

_NEVER = float("inf")
#: How often tokens that are short are looked at, and only then.
_RECHECK_SECONDS = 1.0


class Gate:
    """`postponed(name)`: the volley just asked for must wait. `turn(name)`: it may leave now; False: it need not.

    `changed()`: `short` has.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        postponed: Callable[[str], None],
        turn: Callable[[str], bool],
        per_minute: int,
        groups: Mapping[str, Limit],
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._clock = clock
        self._postponed = postponed
        self._turn = turn
        self._budget = Budget(per_minute, groups, clock())
        self._groups: dict[str, str] = {}  # of all who wait, until their turn is given
        self._timer: asyncio.TimerHandle | None = None
        self._changed = changed
        self._short: set[str] = set()
        self._recheck: asyncio.TimerHandle | None = None

    def configure(self, per_minute: int, groups: Mapping[str, Limit]) -> None:
        self._budget.configure(per_minute, groups, self._clock())
        self._check(*self._short)
        self._arm()

    def admit(self, name: str, group: str, order: bool, fired: bool = False) -> bool:
        """May the first volley leave now? If not, `postponed` and later `turn` are called, never from in here.

        `fired`: the kernel has sent the first magic packet already.
        """
        now = self._clock()
        if fired:
            self._budget.leave(name)
            self._budget.charge(group, now)
            self._check(group)
            return True
        self._budget.enter(name, group, order)
        self._groups[name] = group
        others, granted = [], False
        for next_name in iter(lambda: self._budget.take(now), None):
            if next_name == name:
                granted = True
                break
            others.append(next_name)
        loop = asyncio.get_running_loop()
        for other in others:
            loop.call_soon(self._give, other)
        if granted:
            del self._groups[name]
        else:
            loop.call_soon(self._postpone, name)
        self._check(group)
        self._arm()
        return granted

    def hurry(self, name: str) -> None:
        """An order wants a host that waits."""
        if name in self._budget:
            self._budget.enter(name, self._groups[name], order=True)

    def leave(self, name: str) -> None:
        """The host need not be woken any more."""
        self._budget.leave(name)
        self._groups.pop(name, None)

    @property
    def short(self) -> frozenset[str]:
        """Groups whose hosts may not be woken without asking here first; "": nobody may."""
        return frozenset(self._short)

    def waits(self, name: str) -> bool:
        return name in self._groups

    @property
    def waiting(self) -> int:
        """How many hosts wait for their turn."""
        return len(self._groups)

    def close(self) -> None:
        for timer in (self._timer, self._recheck):
            if timer is not None:
                timer.cancel()

    def _check(self, *groups: str) -> None:
        """Are tokens short, in these groups and in all?"""
        now = self._clock()
        before = set(self._short)
        for group in ("", *groups):
            if self._budget.is_short(group, now):
                self._short.add(group)
            else:
                self._short.discard(group)
        if self._short and self._recheck is None:
            self._recheck = asyncio.get_running_loop().call_later(_RECHECK_SECONDS, self._check_again)
        if self._short != before:
            asyncio.get_running_loop().call_soon(self._changed)

    def _check_again(self) -> None:
        self._recheck = None
        self._check(*self._short)

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        now = self._clock()
        due = self._budget.due(now)
        if due < _NEVER:
            self._timer = asyncio.get_running_loop().call_later(max(0.0, due - now), self._next)

    def _postpone(self, name: str) -> None:
        if name in self._groups:  # else it has left meanwhile
            self._postponed(name)

    def _next(self) -> None:
        self._timer = None
        for name in iter(lambda: self._budget.take(self._clock()), None):
            self._give(name)
        self._arm()

    def _give(self, name: str) -> None:
        group = self._groups.pop(name, "")
        if not self._turn(name):
            self._budget.refund(group)
