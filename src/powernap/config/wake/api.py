# SPDX-License-Identifier: GPL-3.0-or-later
"""[api]: what operators and programs are let do over the network."""

from dataclasses import dataclass

from powernap.shared.schema import setting


@dataclass(frozen=True)
class ApiSettings:
    """What powerwaked keeps of those who use its API."""

    audit_days: int = setting(
        "int",
        90,
        "for how long the audit log is kept, of which there are at most 100,000 entries",
        unit="days",
        minimum=1,
        maximum=3650,
    )
