# SPDX-License-Identifier: GPL-3.0-or-later
"""Folders that powernapd's unit hides, seen by a handle from powernap-hands: /proc with all processes, and /dev.

Permissions are those of powernapd all the same: names and what everybody may read. To open a device stays forbidden, by
its control group.
"""

from __future__ import annotations

from powernap.machine import hands

_handles: dict[str, int] = {}


def path(name: str) -> str:
    """Return the path by which the folder is seen: "proc" is /proc where nothing is hidden. Blocks. Raises OSError."""
    if not hands.needed():
        return f"/{name}"
    if name not in _handles:
        try:
            _handles[name] = hands.ask("folder", name=name).file()
        except hands.HandsError as error:
            raise OSError(f"/{name} is hidden from powernapd: {error}") from None
    return f"/proc/self/fd/{_handles[name]}"
