# SPDX-License-Identifier: GPL-3.0-or-later
"""A site's own program hears of what people should look at: one JSON object on its standard input for each alert."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import deque
from collections.abc import Sequence
from typing import Any

from powernap.machine import outside

_log = logging.getLogger(__name__)
_AT_ONCE = 4
_MOST_WAITING = 200
#: Events of which it is told.
ALERTS = frozenset(("alert", "conflict"))


class Alerts:
    """Bounded in every way: programs at once, their time, and how many alerts wait; those beyond are counted."""

    def __init__(self, program: Sequence[str], seconds: float) -> None:
        self.program = tuple(program)
        self.seconds = seconds
        self.dropped = 0
        self._waiting: deque[str] = deque()
        self._tasks: set[asyncio.Task[None]] = set()

    def tell(self, alert: dict[str, Any]) -> None:
        if not self.program:
            return
        if len(self._waiting) >= _MOST_WAITING:
            self.dropped += 1
            return
        self._waiting.append(json.dumps(alert))
        if len(self._tasks) < _AT_ONCE:
            task = asyncio.get_running_loop().create_task(self._run())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _run(self) -> None:
        while self._waiting:
            alert = self._waiting.popleft()
            try:
                finished = await outside.run_child(self.program, seconds=self.seconds, stdin=alert + "\n")
            except outside.ProgramError as error:
                _log.warning("alert: %s", error)
                continue
            if finished.status:
                _log.warning("alert: %s %s", self.program[0], finished.complaint())

    def close(self) -> None:
        for task in self._tasks:
            task.cancel()
