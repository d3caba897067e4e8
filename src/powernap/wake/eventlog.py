# SPDX-License-Identifier: GPL-3.0-or-later
"""The last events of all hosts, numbered, for people and programs that follow what happens."""

from __future__ import annotations

import logging
from collections import deque
from typing import Any

_log = logging.getLogger(__name__)
_KEPT = 1000


class EventLog:
    def __init__(self) -> None:
        self._events: deque[dict[str, Any]] = deque(maxlen=_KEPT)
        self._last = 0

    def add(self, time: float, host: str, event: str, detail: str = "") -> None:
        """`time`: Unix time. `host` is empty where it concerns none."""
        self._last += 1
        self._events.append({"id": self._last, "time": time, "host": host, "event": event, "detail": detail})
        level = logging.WARNING if event in ("alert", "conflict", "expired") else logging.INFO
        _log.log(level, "%s", ": ".join(part for part in (host, event, detail) if part))

    def since(self, number: int) -> dict[str, Any]:
        """Events after `number`; give `next` as the number of the next call."""
        return {"events": [event for event in self._events if event["id"] > number], "next": self._last}
