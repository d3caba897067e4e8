# SPDX-License-Identifier: GPL-3.0-or-later
"""[inhibitors]: who may forbid a sleep, and for how long."""

from dataclasses import dataclass

from powernap.shared.schema import setting


@dataclass(frozen=True)
class InhibitorSettings:
    """Who may forbid a sleep, and for how long: logind's inhibitors and powernap's own leases."""

    honour: bool = setting("bool", True, "logind's block inhibitors hold a nap; false: only powernap's own leases do")
    ignore: tuple[str, ...] = setting(
        "strs",
        (),
        'owners whose inhibitors hold nothing, as "WHO" or "WHO:WHAT" with * and ? in WHO',
        example=["jellyfin", "gnome-*:idle"],
    )
    max_hold_seconds: float = setting(
        "float",
        0,
        "an inhibitor older than this holds no longer; 0: it holds for ever",
        unit="seconds",
        minimum=0,
        example=43200,
    )
    idle: bool = setting("bool", True, "inhibitors of idleness hold naps that nobody ordered")
    weak: bool = setting("bool", True, "weak inhibitors (block-weak, systemd 257) hold naps that nobody ordered")
    max_lease_seconds: float = setting(
        "float",
        86400,
        "the longest lease that powernap inhibit may take",
        unit="seconds",
        minimum=60,
        maximum=30 * 86400,
    )
