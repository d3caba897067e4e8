# SPDX-License-Identifier: GPL-3.0-or-later
"""[enrolment]: who becomes known to the wake server without an operator's word."""

from dataclasses import dataclass

from powernap.shared.schema import setting


@dataclass(frozen=True)
class EnrolmentSettings:
    """Machines that ask to be known. One that matches each list that is not empty is admitted; all empty: none is."""

    networks: tuple[str, ...] = setting(
        "networks", (), "admit machines that ask from these addresses", example=["198.18.0.0/16"]
    )
    macs: tuple[str, ...] = setting(
        "strs", (), "admit machines all of whose MAC addresses begin so", example=["00:16:3e", "02:4c:00:00:00:03"]
    )
    names: tuple[str, ...] = setting(
        "strs", (), "admit machines with these names; * stands for any text", example=["web*"]
    )
    replace: bool = setting("bool", False, "those lists also let a machine take the place of one with the same cards")
    group: str = setting("str", "", "the group of those that are admitted by these lists", example="rack1")
    pending: int = setting("int", 1000, "most machines that wait for approval", minimum=1, maximum=100000)
    pending_hours: float = setting(
        "float", 168, "a machine that has not asked for so long waits no more", unit="hours", minimum=0.01
    )
    per_minute: int = setting("int", 6000, "most questions a minute, of all", minimum=1)
    per_source: int = setting("int", 60, "most questions a minute of one address; of one /64 network", minimum=1)
