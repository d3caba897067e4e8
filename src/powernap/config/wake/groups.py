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
    wakes_per_minute: int = setting(
        "int",
        0,
        "of its machines so many may be started in a minute, a tenth of them at once, as its power feed allows; "
        "0: only wake.wakes_per_minute holds",
        minimum=0,
        maximum=1_000_000,
    )
    priority: int = setting(
        "int",
        0,
        "of machines that wait for their turn those of the group with the greatest go first, after those ordered awake",
        minimum=-1000,
        maximum=1000,
    )
    methods: tuple[str, ...] = setting("strs", (), "ways of waking its machines; empty: as in [wake]", example=["exec"])
    subnets: tuple[str, ...] = setting("networks", (), "IPv4 networks of its machines, besides those of [wake]")
    keep_awake: int = setting(
        "int", 0, "so many of its machines stay awake: of the others each may nap", minimum=0, maximum=1_000_000
    )
    keep_awake_percent: float = setting(
        "float", 0, "the same, as a part of its machines", unit="percent", minimum=0, maximum=100
    )
    naps_per_minute: int = setting(
        "int", 0, "of its machines so many may go to sleep in a minute; 0: any number", minimum=0, maximum=1_000_000
    )
    needs: tuple[str, ...] = setting(
        "strs",
        (),
        "machines, and groups as @NAME, that must be awake while one of its machines is: they may not nap then, and "
        "are woken with it",
        example=["db1", "@storage"],
    )
    canary_first: str = setting(
        "str",
        "default",
        "one of its machines must have napped and woken before others may nap; default: as policy.canary_first says",
        choices=("default", "yes", "no"),
    )
    nap_windows: tuple[str, ...] = setting(
        "strs",
        (),
        "its machines nap at these times only; empty: always",
        example=["Mon-Fri 19:00-07:00", "Sat,Sun 00:00-24:00"],
    )
    no_nap_windows: tuple[str, ...] = setting(
        "strs", (), "its machines do not go to sleep at these times", example=["Sun 02:00-04:00 Europe/Berlin"]
    )
    awake_windows: tuple[str, ...] = setting(
        "strs",
        (),
        "its machines are woken when this begins, and stay awake",
        example=["Mon-Fri 07:00-19:00 Europe/Berlin"],
    )
