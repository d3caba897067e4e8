# SPDX-License-Identifier: GPL-3.0-or-later
"""Active while the load average is above a threshold."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from powernap.nap.evidence import Reading
from powernap.nap.monitors.base import Monitor
from powernap.shared.schema import Option

#: Not getloadavg(3), which asks the kernel: a container may have a load average of its own here (lxcfs).
LOADAVG = Path("/proc/loadavg")


class LoadMonitor(Monitor):
    """The 1-minute load average, looked at several times a period. A container has the whole
    machine's, unless lxcfs gives it its own."""

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

    def look(self, now: float) -> Reading:
        text = LOADAVG.read_text()
        try:
            load = float(text.split()[0])
        except (IndexError, ValueError):
            raise OSError(f"{LOADAVG} does not begin with a load: {text[:40]!r}: use a monitor of kind cpu") from None
        busy = load > self._threshold
        return self.reading(
            last_active=now if busy else None,
            active_now=busy,
            detail=f"load {load:.2f}, threshold {self._threshold:g}",
            source=str(LOADAVG),
            counts=True,
            value=load,
            threshold=self._threshold,
        )
