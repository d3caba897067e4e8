# SPDX-License-Identifier: GPL-3.0-or-later
"""The devices of this machine's network interfaces, by sysfs; or as somebody said who sees them.

A process in a network namespace of its own sees the interfaces of that one in /sys, and none of the machine's.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

_told: dict[str, Path] = {}


def told(devices: Mapping[str, Path]) -> None:
    """Beside those that can be seen from here there are these, by the names of the interfaces."""
    _told.clear()
    _told.update(devices)


def devices(root: Path = Path("/")) -> dict[str, Path]:
    """Return the device of each interface that has one, by its name: its folder in /sys/devices. Blocks."""
    found = dict(_told)
    for interface in sorted((root / "sys/class/net").glob("*")):
        device = interface / "device"
        if device.is_dir():
            found[interface.name] = device.resolve()
    return found


def carried_by(device: Path) -> bool:
    """Tell whether an interface hangs on a device or below it. ``device``: in /sys."""
    place = device.resolve()
    if any(place in (other, *other.parents) for other in _told.values()):
        return True
    return any("net" in names and any(os.scandir(Path(folder, "net"))) for folder, names, _files in os.walk(place))
