# SPDX-License-Identifier: GPL-3.0-or-later
"""[policy] and [presence]: what the site wants of its machines as a whole, and how it is known what they are."""

from collections.abc import Mapping
from dataclasses import dataclass

from powernap.config.build import Builder
from powernap.config.wake.groups import GroupSettings
from powernap.shared.schema import setting
from powernap.wake.orders.policy import Dependencies
from powernap.wake.orders.windows import BadWindow, parse_window


@dataclass(frozen=True)
class PolicySettings:
    """What holds for the naps of all machines; [groups.NAME] has more."""

    proven: bool = setting(
        "bool",
        True,
        "a machine that did not wake when that was tried (powerwake canary) is not let go to sleep until an operator "
        "clears that",
    )
    canary_first: bool = setting(
        "bool",
        False,
        "of each group, profile and version of powernapd one machine must have napped and woken (powerwake canary) "
        "before the others are let go to sleep",
    )
    orders_per_minute: int = setting(
        "int",
        600,
        "machines to which one order is given in a minute, where the order names no rate of its own",
        minimum=1,
        maximum=1_000_000,
    )
    orders_at_once: int = setting(
        "int", 50, "machines of one order that are busy with it at the same time", minimum=1, maximum=10_000
    )


@dataclass(frozen=True)
class PresenceSettings:
    """How it is found out whether machines that are awake are there."""

    look_seconds: float = setting(
        "float",
        300,
        "time in which each machine that is awake, has no open link and was not heard of is asked once whether it is "
        "there: one ARP question to its card",
        unit="seconds",
        minimum=10,
        maximum=3600,
    )


def check_policy(builder: Builder, groups: Mapping[str, GroupSettings]) -> None:
    """What can never work is a problem."""
    for name, group in groups.items():
        for key in ("nap_windows", "no_nap_windows", "awake_windows"):
            for text in getattr(group, key):
                try:
                    parse_window(text)
                except BadWindow as error:
                    builder.problem(f"groups.{name}.{key}", str(error))
    circle = Dependencies({name: group.needs for name, group in groups.items() if group.needs}).circle()
    if circle:
        way = " needs ".join(circle)
        builder.problem(f"groups.{circle[0]}.needs", f"{way}: none of them could ever nap; leave one of the needs out")
