# SPDX-License-Identifier: GPL-3.0-or-later
"""The events of powerwaked as they come, across its restarts."""

from __future__ import annotations

import sys
import time
from typing import Any

from powernap.shared.errors import ServerDown
from powernap.shared.wakeapi import WakeServer

_FROM_NOW_ON = 2**53


class Events:
    """What happens from now on. Raises ServerDown where there is no wake server to begin with."""

    def __init__(self, admin: WakeServer) -> None:
        self._admin = admin
        self._next = int(admin.get(f"/api/v1/events?since={_FROM_NOW_ON}")["next"])
        self._lost = False

    def new(self) -> list[dict[str, Any]]:
        """Those since the last call, none while powerwaked is away: that is said once, and when it is back."""
        try:
            news = self._admin.get(f"/api/v1/events?since={self._next}")
            if news["next"] < self._next:  # it has started anew, and counts from the beginning
                news = self._admin.get("/api/v1/events?since=0")
        except ServerDown as error:
            if not self._lost:
                remark(f"{error}; waiting for it to come back")
            self._lost = True
            return []
        if self._lost:
            remark("powerwaked answers again")
        self._lost, self._next = False, int(news["next"])
        return list(news["events"])


def remark(text: str) -> None:
    """To standard error: what is asked for can be piped without it."""
    print(f"powerwake: {text}", file=sys.stderr, flush=True)


def clock(wall: float) -> str:
    """Local time of day, to the millisecond."""
    milliseconds = int(wall * 1000)
    return f"{time.strftime('%H:%M:%S', time.localtime(milliseconds // 1000))}.{milliseconds % 1000:03d}"
