# SPDX-License-Identifier: GPL-3.0-or-later
"""[nap]: when the machine naps, and how."""

from dataclasses import dataclass

from powernap.shared.schema import setting

#: After these the machine goes on running.
AWAKE_ACTIONS = ("powersave", "exec")
SLEEPS = ("suspend", "suspend-then-hibernate", "hibernate", "hybrid-sleep", "poweroff")
ACTIONS = ("powersave", *SLEEPS)


@dataclass(frozen=True)
class NapSettings:
    """When the machine naps, and how."""

    mode: str = setting(
        "str", "act", "act: nap for real; observe: decide and record, but do nothing", choices=("act", "observe")
    )
    absent_seconds: float = setting(
        "float",
        300,
        "idle time after which the machine naps",
        unit="seconds",
        minimum=1,
        maximum=30 * 86400,
        example=900,
    )
    grace_seconds: float = setting(
        "float",
        60,
        "the last part of absent_seconds, in which people are warned; more than half of it counts as half",
        unit="seconds",
        minimum=0,
    )
    action: str = setting("str", "suspend", "what is done to the idle machine", choices=ACTIONS)
    stage2_absent_seconds: float = setting(
        "float",
        0,
        "further idle time after which stage2_action follows a powersave; 0: never",
        unit="seconds",
        minimum=0,
    )
    stage2_action: str = setting("str", "suspend", "what follows a powersave", choices=SLEEPS)
    min_awake_seconds: float = setting(
        "float", 60, "time that the machine stays awake after it woke, whatever happens", unit="seconds", minimum=0
    )
    backoff_seconds: float = setting(
        "float", 60, "wait after a nap that failed; doubles with each failure", unit="seconds", minimum=1
    )
    backoff_max_seconds: float = setting("float", 3600, "the longest such wait", unit="seconds", minimum=1)
    looks_per_period: int = setting(
        "int",
        5,
        "looks within absent_seconds at monitors that only count: the nap is late by at most one such part",
        minimum=1,
        maximum=100,
    )
    virtualization: str = setting(
        "str", "auto", "what this machine is; auto: find out", choices=("auto", "none", "vm", "container")
    )
    nap_virtual: bool = setting("bool", False, "nap although this is a virtual guest")
    interfaces: tuple[str, ...] = setting(
        "strs", (), "network interfaces by which this machine is woken; empty: find out", example=["eth0"]
    )
    require_wake_on_lan: bool = setting("bool", True, "stay awake unless every such interface is armed for Wake-on-LAN")
    ups: str = setting(
        "str",
        "",
        "the UPS that feeds this machine, as UPS@HOST or UPS@HOST:PORT of NUT's upsd: what steps ask of power and "
        "battery is its, too; empty: none",
        example="rack1@nut.example.com",
    )
