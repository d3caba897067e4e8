# SPDX-License-Identifier: GPL-3.0-or-later
"""[groups.NAME]: what machines of one rack, power feed or purpose have in common."""

from dataclasses import dataclass

from powernap.config.wake.wake import WAKE_ON
from powernap.shared.schema import setting


@dataclass(frozen=True)
class GroupSettings:
    """A group of machines; a machine is put into one when it is registered. What is not set here is as in [wake]."""

    wake_on: str = setting("str", "default", "what wakes its machines", choices=("default", *WAKE_ON))
    allow: tuple[str, ...] = setting(
        "rules",
        (),
        "only demand from these sources or for these ports wakes; empty: as [wake] says",
        example=["198.18.0.0/16 tcp/22"],
    )
    deny: tuple[str, ...] = setting(
        "rules", (), "demand from these sources or for these ports does not wake, nor that which [wake] denies"
    )
