# SPDX-License-Identifier: GPL-3.0-or-later
"""Active while control groups use the CPU above a threshold."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from powernap.machine import cgroups
from powernap.nap.monitors.rate import RateMonitor, rate_options
from powernap.shared.errors import PowernapError
from powernap.shared.schema import Option

GROUPS = Option(
    "groups",
    "strs",
    None,
    "names of control groups, or with a / paths below /sys/fs/cgroup; * stands for many",
    example=["machine-qemu*.scope", "system.slice/postgresql*.service"],
    required=True,
)


class UseMonitor(RateMonitor):
    """Each group that matches has a rate of its own; what its groups below it use is part of it."""

    source = "control groups"

    def __init__(self, name: str, values: Mapping[str, Any], root: Path = Path("/")) -> None:
        super().__init__(name, values)
        if not values["groups"]:
            raise PowernapError("groups is empty: name at least one control group, such as nginx.service")
        self._root = root

    def used(self, group: Path) -> float:
        """Return what the group used so far. Raises OSError."""
        raise NotImplementedError

    def counters(self) -> Mapping[str, float]:
        top = cgroups.top(self._root)
        counters = {}
        for group, _entered in cgroups.below(top, lambda _name: True):
            path = str(group.relative_to(top))
            if any(fnmatchcase(path if "/" in pattern else group.name, pattern) for pattern in self.values["groups"]):
                try:
                    counters[path] = self.used(group)
                except (FileNotFoundError, ProcessLookupError):
                    continue  # gone meanwhile
        return counters

    def none(self) -> str:
        return f"no control group {', '.join(self.values['groups'][:3])}"


class CgroupMonitor(UseMonitor):
    """The CPU time in cpu.stat, which the kernel counts for every group. A guest or a container that runs but does
    nothing is idle by this."""

    kind = "cgroup"
    summary = "a control group (service, session, container, guest) uses the CPU above a threshold"
    unit = "%"
    options = (GROUPS, *rate_options(5, "percent of one CPU", 20))

    def used(self, group: Path) -> float:
        return cgroups.cpu_seconds(group) * 100
