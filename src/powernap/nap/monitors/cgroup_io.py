# SPDX-License-Identifier: GPL-3.0-or-later
"""Active while control groups read and write above a threshold."""

from __future__ import annotations

from pathlib import Path

from powernap.machine import cgroups
from powernap.nap.monitors.cgroup import GROUPS, UseMonitor
from powernap.nap.monitors.rate import rate_options


class CgroupIoMonitor(UseMonitor):
    """The bytes in io.stat, which the kernel counts where the io controller is on (IOAccounting=yes in a unit)."""

    kind = "cgroup-io"
    summary = "a control group (service, session, container, guest) reads or writes disks above a threshold"
    options = (GROUPS, *rate_options(10_000, "bytes/s", 1_000_000))

    def used(self, group: Path) -> float:
        return float(cgroups.io_bytes(group))
