# SPDX-License-Identifier: GPL-3.0-or-later
"""Active while the CPUs compute."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from powernap.nap.monitors.rate import RateMonitor, rate_options
from powernap.shared.schema import Option

#: Columns of /proc/stat (proc_stat(5)). Guests' time is part of user and nice.
USER, NICE, SYSTEM, IOWAIT, IRQ, SOFTIRQ = 0, 1, 2, 4, 5, 6


class CpuMonitor(RateMonitor):
    """The time that the CPUs computed, as a share of one CPU, so that one busy program weighs the same everywhere.

    A container sees the whole machine's, unless lxcfs gives it its own. Time stolen by a hypervisor does not count.
    """

    kind = "cpu"
    summary = "the CPUs compute more than a threshold above their noise"
    unit = "% of one CPU"
    source = "/proc/stat"
    options = (
        *rate_options(25, "% of one CPU", 50),
        Option("iowait", "bool", False, "count the time in which a CPU waited for a disk"),
        Option("nice", "bool", True, "count programs of low priority (nice above 0)"),
    )

    def __init__(self, name: str, values: Mapping[str, Any], root: Path = Path("/")) -> None:
        super().__init__(name, values)
        self._path = root / "proc/stat"
        more = [column for column, key in ((IOWAIT, "iowait"), (NICE, "nice")) if self.values[key]]
        self._columns = (USER, SYSTEM, IRQ, SOFTIRQ, *more)
        self._percent_per_tick = 100.0 / os.sysconf("SC_CLK_TCK")
        self._most = 0.0

    def counters(self) -> Mapping[str, float]:
        line = self._path.read_text().partition("\n")[0]
        try:
            name, *fields = line.split()
            ticks = sum(int(fields[column]) for column in self._columns)
        except (ValueError, IndexError):
            name, ticks = "", 0
        if name != "cpu":
            raise OSError(f"{self._path} does not begin with the time of all CPUs: {line[:80]!r}")
        # iowait may fall by a little (proc_stat(5)), which is no counter that began anew
        self._most = max(self._most, ticks * self._percent_per_tick)
        return {"CPU use": self._most}

    def none(self) -> str:
        return ""
