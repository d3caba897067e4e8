# SPDX-License-Identifier: GPL-3.0-or-later
"""[wake]: how sleeping machines are stood in for, and woken."""

from dataclasses import dataclass

from powernap.shared.schema import setting

WAKE_ON = ("demand", "arp", "never")


@dataclass(frozen=True)
class WakeSettings:
    """How sleeping machines are stood in for, and woken."""

    interfaces: tuple[str, ...] = setting(
        "strs", (), "network interfaces to stand in on; empty: every Ethernet interface that is up", example=["eth0"]
    )
    wake_on: str = setting(
        "str",
        "demand",
        "what wakes a host: demand (a connection to one of its ports), arp (any question for its address), never",
        choices=WAKE_ON,
    )
    allow: tuple[str, ...] = setting(
        "rules",
        (),
        "only demand from these sources (address, network, MAC) or for these ports wakes; empty: any",
        example=["198.18.0.0/16", "10.0.0.0/8 tcp/22"],
    )
    deny: tuple[str, ...] = setting(
        "rules",
        (),
        "demand from these sources or for these ports does not wake, whatever is allowed",
        example=["198.18.9.9", "02:00:00:00:00:01", "udp/5000-5100"],
    )
    wakes_per_source: int = setting(
        "int", 30, "hosts that one source may wake in a minute; 0: no limit", minimum=0, maximum=100_000
    )
    trusted: tuple[str, ...] = setting(
        "sources", (), "sources that may wake any number of hosts", example=["198.18.0.2", "02:00:00:00:00:01"]
    )
    volleys: int = setting("int", 15, "magic packets sent to one host before giving up", minimum=1, maximum=1000)
    volley_seconds: float = setting("float", 30, "time over which they are spread", unit="seconds", minimum=1)
    resume_timeout_seconds: float = setting(
        "float", 120, "time in which a woken host must show itself", unit="seconds", minimum=1
    )
    probe_seconds: float = setting(
        "float",
        1.0,
        "time between two probes whether a host has gone to sleep",
        unit="seconds",
        minimum=0.05,
        maximum=60,
    )
    udp_port: int = setting("int", 9, "UDP port of the magic packets that go by IP broadcast", minimum=1, maximum=65535)
