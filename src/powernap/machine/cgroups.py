# SPDX-License-Identifier: GPL-3.0-or-later
"""Control groups of version 2: which there are, whether processes are in them, and what they used (cgroup-v2.rst)."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path

#: Where version 2 is mounted: alone, or beside version 1 (systemd's "hybrid" layout).
MOUNTS = ("sys/fs/cgroup", "sys/fs/cgroup/unified")
#: A unit whose name could be taken for one of the kernel's files has this before its name (systemd's cg_escape).
ESCAPE = "_"
NOT_MOUNTED = "control groups of version 2 are not mounted: boot with systemd.unified_cgroup_hierarchy=1"


def top(root: Path = Path("/")) -> Path:
    """Return the group below which systemd's units are. Raises OSError where version 2 is not mounted."""
    for mount in MOUNTS:
        if (root / mount / "cgroup.controllers").exists():
            below = _of_systemd(root)
            return root / mount / below if (root / mount / below).is_dir() else root / mount
    raise OSError(errno.ENOENT, NOT_MOUNTED)


def _of_systemd(root: Path) -> str:
    """In a container without a namespace of its own for control groups systemd begins further down."""
    try:
        lines = (root / "proc/1/cgroup").read_text().splitlines()
    except OSError:
        return ""
    path = next((line[3:] for line in lines if line.startswith("0::")), "")
    return path.removesuffix("/init.scope").strip("/") if path.endswith("/init.scope") else ""


def populated(group: Path) -> bool:
    """Tell whether a process is in the group or below it; False where the group is gone."""
    try:
        return "populated 1" in (group / "cgroup.events").read_text()
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENODEV):
            raise
        return False


def below(start: Path, into: Callable[[str], bool]) -> Iterator[tuple[Path, bool]]:
    """Yield every group below ``start`` and whether its own groups follow; these only where ``into`` its name."""
    folders = [start]
    while folders:
        try:
            with os.scandir(folders.pop()) as entries:
                groups = [Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False)]
        except FileNotFoundError:
            continue  # gone meanwhile
        for group in groups:
            entered = into(group.name)
            yield group, entered
            if entered:
                folders.append(group)


def unit_name(group: Path) -> str:
    """Return the name of the unit that the group belongs to."""
    return group.name.removeprefix(ESCAPE)


def cpu_seconds(group: Path) -> float:
    """Return the CPU time that the group used so far. Raises OSError."""
    return _counter(group / "cpu.stat", "usage_usec") / 1e6


def io_bytes(group: Path) -> int:
    """Return the bytes that the group read and wrote so far. Raises OSError, also where nobody counts them."""
    path = group / "io.stat"
    if not path.exists() and group.exists():
        raise OSError(errno.ENODATA, f"nobody counts the io of {group.name}: set IOAccounting=yes in its unit")
    total = 0
    for line in path.read_text().splitlines():
        for pair in line.split()[1:]:
            key, _equals, value = pair.partition("=")
            if key in ("rbytes", "wbytes"):
                total += int(value)
    return total


def _counter(path: Path, key: str) -> int:
    for line in path.read_text().splitlines():
        name, _space, value = line.partition(" ")
        if name == key:
            return int(value)
    raise OSError(errno.ENODATA, f"{path} does not say {key}")
