# SPDX-License-Identifier: GPL-3.0-or-later
"""Active while a lock file says that something must not be interrupted."""

from __future__ import annotations

import glob
import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from powernap.machine import filelocks
from powernap.nap.evidence import Reading
from powernap.nap.monitors.base import Monitor
from powernap.nap.monitors.groups import few
from powernap.shared.schema import Option

#: Of dpkg and apt, rpm (and so dnf 5), flatpak, fwupd.
HELD = (
    "/var/lib/dpkg/lock",
    "/var/lib/dpkg/lock-frontend",
    "/var/lib/apt/lists/lock",
    "/var/cache/apt/archives/lock",
    "/var/lib/rpm/.rpm.lock",
    "/usr/lib/sysimage/rpm/.rpm.lock",
    "/run/lock/fwupd/*",
)
#: Of dnf 4, yum, zypper, pacman. Homes are hidden from powernapd: powernap-hands is started to look there.
EXISTS = (
    "/var/cache/dnf/*_lock.pid",
    "/var/lib/dnf/*_lock.pid",
    "/run/yum.pid",
    "/run/zypp.pid",
    "/var/lib/pacman/db.lck",
)
#: A file of process numbers is not longer, in bytes.
PID_BYTES = 32


class LockMonitor(Monitor):
    """Two sorts: files that are always there and locked while somebody works, and files that are there only meanwhile.
    Of the second sort one is a left-over where it names a process that is gone, or is older than ``stale_seconds``.
    Looked at, not watched: what begins and ends between two looks is not seen.
    """

    kind = "lock"
    summary = "a package manager, a backup or the like holds a lock file"
    options = (
        Option(
            "held", "strs", HELD, "files that are locked while work is on; * stands for many", example=["/srv/x/lock"]
        ),
        Option(
            "exists",
            "strs",
            EXISTS,
            "files or folders that exist while work is on; * stands for many",
            example=["/root/.cache/borg/*/lock.exclusive", "/srv/restic/locks/*"],
        ),
        Option(
            "stale_seconds",
            "float",
            86400,
            "one of exists that did not change for so long is a left-over; 0: none ever is",
            unit="seconds",
            minimum=0,
        ),
    )

    def __init__(
        self,
        name: str,
        values: Mapping[str, Any],
        locks: Path = Path("/proc/locks"),
        wall: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(name, {option.name: option.default for option in self.options} | dict(values))
        self._locks, self._wall = locks, wall
        self._last: float | None = None

    def places(self) -> tuple[str, ...]:
        return (*(pattern.rpartition("/")[0] for pattern in self.values["held"]), *self.values["exists"])

    def look(self, now: float) -> Reading:
        files = [path for pattern in self.values["held"] for path in glob.glob(pattern)]
        held = [
            f"{path} ({f'process {process}' if process > 0 else 'locked'})"
            for path, process in (filelocks.held(files, self._locks) if files else {}).items()
        ]
        left: list[str] = []
        there: list[str] = []
        for path, reason in self._existing():
            (left if reason else there).append(f"{path} ({reason})" if reason else path)
        source = "lock files"
        if held or there:
            self._last = now
            detail = f"locked: {few([*held, *there])}"
            return self.reading(last_active=now, active_now=True, detail=detail, source=source)
        detail = "no lock" + (f"; left over: {few(left)}" if left else "")
        return self.reading(last_active=self._last, detail=detail, source=source)

    def _existing(self) -> Iterator[tuple[str, str]]:
        """Yield each file that exists, and why it is a left-over or ""."""
        for path in (path for pattern in self.values["exists"] for path in glob.glob(pattern)):
            try:
                status = Path(path).stat()
                process = _process(Path(path)) if status.st_size <= PID_BYTES else None
            except FileNotFoundError:
                continue
            age = self._wall() - status.st_mtime
            if process is not None and not _runs(process):
                yield path, f"process {process} is gone"
            elif self.values["stale_seconds"] and age > self.values["stale_seconds"]:
                yield path, f"{age / 3600:.0f} h old"
            else:
                yield path, ""


def _process(path: Path) -> int | None:
    """Return the process that the file names, if it is such a file."""
    if not path.is_file():
        return None
    words = path.read_bytes()[:PID_BYTES].split()
    return int(words[0]) if len(words) == 1 and words[0].isdigit() else None


def _runs(process: int) -> bool:
    """Tell whether there is such a process; the kernel says so of those, too, which /proc hides from powernapd."""
    try:
        os.kill(process, 0)
    except PermissionError:
        return True
    except (ProcessLookupError, OverflowError):
        return False
    return process > 0  # else a group of processes was meant
