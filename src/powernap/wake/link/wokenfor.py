# SPDX-License-Identifier: GPL-3.0-or-later
"""For whom a host was woken, as the welcome tells it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: A wake that ended longer ago is not what the host has just woken for.
LATELY_SECONDS = 600.0


def woken_for(story: Mapping[str, Any] | None, slept_at: float, now: float) -> dict[str, Any] | None:
    """``story``: the host's last, as ``Story.told`` has it; ``slept_at``: when it last went to sleep; both and ``now``
    in Unix time.

    ``port``: the one that was asked for; ``at``: Unix time of the first knock; ``packets``: magic packets sent.
    """
    if (
        story is None
        or story["started"] < slept_at
        or now - story["started"] - (story["seconds"] or 0.0) > LATELY_SECONDS
    ):
        return None
    first = story["knocks"][0] if story["knocks"] else {}
    by = first.get("by", {})
    return {
        "reason": story["reason"],
        "asked_by": story["asked_by"],
        "address": by.get("address", ""),
        "mac": by.get("mac", ""),
        "port": by.get("to_port") or None,
        "at": story["started"],
        "packets": story["magic_packets"],
    }
