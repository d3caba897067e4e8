# SPDX-License-Identifier: GPL-3.0-or-later
"""Active while the load average is above a threshold."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from powernap.nap.evidence import Reading
from powernap.nap.monitors.base import Monitor
from powernap.shared.schema import Option

#: Not getloadavg(3), which asks the kernel: a container may have a load average of its own here (lxcfs).
LOADAVG = Path("/proc/loadavg")
#: kernel/sched/loadavg.c: every 5 s the 1-minute average falls to 1884/2048 of itself at the most, and is cut to
#: 1/2048; shown are two digits. So it may be this much higher than shown, and falls no faster than this.
UPDATE_SECONDS, FALL_SECONDS, CUT = 5.0, 59.8, 0.012


class LoadMonitor(Monitor):
    """The 1-minute load average, looked at several times a period. It falls no faster than the kernel lets it, so how
    low it is tells when it was above the threshold at the latest. A container has the whole machine's, unless lxcfs
    gives it its own."""

    kind = "load"
    summary = "the 1-minute load average is above a threshold"
    options = (
        Option(
            "threshold",
            "threshold",
            "n",
            'the load above which the machine is busy; "n": the number of CPUs',
            example=0.5,
        ),
    )

    def __init__(self, name: str, values: Mapping[str, Any]) -> None:
        super().__init__(name, values)
        threshold = values.get("threshold", "n")
        self._threshold = float(os.cpu_count() or 1) if threshold == "n" else float(threshold)
        self._busy_at: float | None = None
        self._ended: float | None = None

    def look(self, now: float) -> Reading:
        text = LOADAVG.read_text()
        try:
            load = float(text.split()[0])
        except (IndexError, ValueError):
            raise OSError(f"{LOADAVG} does not begin with a load: {text[:40]!r}: use a monitor of kind cpu") from None
        busy = load > self._threshold
        if busy:
            self._busy_at = self._ended = now
        elif self._busy_at is not None:
            self._ended = min(now, max(self._busy_at, now - quiet_seconds(load, self._threshold)))
            self._busy_at = None
        return self.reading(
            last_active=self._ended,
            active_now=busy,
            detail=f"load {load:.2f}, threshold {self._threshold:g}",
            source=str(LOADAVG),
            counts=True,
            value=load,
            threshold=self._threshold,
        )


def quiet_seconds(load: float, threshold: float) -> float:
    """Return for how long the average has not been above the threshold, at the least."""
    if threshold <= load + CUT:
        return 0.0
    return max(0.0, FALL_SECONDS * math.log(threshold / (load + CUT)) - UPDATE_SECONDS)
