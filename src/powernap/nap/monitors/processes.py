# SPDX-License-Identifier: GPL-3.0-or-later
"""Which processes a monitor of processes means."""

from __future__ import annotations

from powernap.shared.schema import Option

WHICH = (
    Option(
        "pattern",
        "regex",
        None,
        "searched for in the command line, its arguments joined by spaces",
        example=r"(^|/)rsync\b",
        required=True,
    ),
    Option("user", "str", "", "only processes of this user (name or number); empty: of anybody", example="backup"),
)
