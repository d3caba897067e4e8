# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files are locked, by whom: /proc/locks (proc_locks(5)), which knows files by device and inode only."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

#: flock(2), fcntl(2) and its open file description locks; leases are no locks. A waiting one has "->" before its type.
LINE = re.compile(r"\d+: (?:FLOCK|POSIX|OFDLCK) +\S+ +\S+ +(-?\d+) ([0-9a-f]+):([0-9a-f]+):(\d+) ")


def held(paths: Iterable[str], locks: Path = Path("/proc/locks")) -> dict[str, int]:
    """Return those of the paths that are locked, and by which process (0 or less: not known). Raises OSError."""
    by_inode: dict[int, list[tuple[tuple[int, int], int]]] = {}
    for match in map(LINE.match, locks.read_text().splitlines()):
        if match is not None:
            device = int(match[2], 16), int(match[3], 16)
            by_inode.setdefault(int(match[4]), []).append((device, int(match[1])))
    found = {}
    for path in paths:
        try:
            status = Path(path).stat()
        except FileNotFoundError:
            continue
        candidates = by_inode.get(status.st_ino)
        if candidates:
            devices = _devices(path, status.st_dev)
            holder = next((process for device, process in candidates if device in devices), None)
            if holder is not None:
                found[path] = holder
    return found


def _devices(path: str, device: int) -> set[tuple[int, int]]:
    """On btrfs and overlay file systems stat(2) gives another device than the kernel's own, which mountinfo gives."""
    devices = {(os.major(device), os.minor(device))}
    fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        info = Path(f"/proc/self/fdinfo/{fd}").read_text()
    finally:
        os.close(fd)
    mount = re.search(r"^mnt_id:\s*(\d+)$", info, re.MULTILINE)
    for line in Path("/proc/self/mountinfo").read_text().splitlines() if mount else ():
        number, _parent, pair, _rest = line.split(" ", 3)
        if mount and number == mount[1]:
            major, _colon, minor = pair.partition(":")
            devices.add((int(major), int(minor)))
    return devices
