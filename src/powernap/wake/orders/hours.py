# SPDX-License-Identifier: GPL-3.0-or-later
"""The times at which machines are to be awake: they are woken when such a time begins, or this daemon in its midst."""

from __future__ import annotations

import asyncio
import logging
import time

from powernap.shared.errors import PowernapError
from powernap.wake.orders.dispatcher import Dispatcher
from powernap.wake.orders.keeper import Keeper
from powernap.wake.orders.request import Query, Request

_log = logging.getLogger(__name__)
_LONGEST_SECONDS = 600.0
_ASLEEP = frozenset(("napping", "off", "unreachable"))


class Hours:
    def __init__(self, keeper: Keeper, dispatcher: Dispatcher) -> None:
        self._keeper, self._dispatcher = keeper, dispatcher
        self._task: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Also after the windows have changed."""
        self.close()
        self._task = asyncio.ensure_future(self._run())

    def close(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        before: frozenset[str] = frozenset()
        while True:
            now = time.time()
            groups = {name: rules.up for name, rules in self._keeper.rules.items() if rules.up}
            if not groups:
                return
            holding = frozenset(name for name, up in groups.items() if any(window.holds(now) for window in up))
            for group in sorted(holding - before):
                await self._wake(group)
            before = holding
            edges = [window.next_at(now) for up in groups.values() for window in up]
            edges += [end for up in groups.values() for window in up if (end := window.ends_at(now)) is not None]
            # The wall clock may be set meanwhile, so it is looked at now and then.
            await asyncio.sleep(min(_LONGEST_SECONDS, max(0.05, min(edges) - now + 0.05)))

    async def _wake(self, group: str) -> None:
        query = Query(group=group, states=_ASLEEP)
        try:
            await self._dispatcher.give(Request("wake", {}, query), f"awake_windows of group {group}")
        except PowernapError as error:
            _log.error("%s", error)
