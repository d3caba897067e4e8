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
    methods: tuple[str, ...] = setting(
        "strs",
        ("ethernet", "udp_broadcast", "udp_directed@1", "udp_unicast@1", "exec@10"),
        "ways of waking, each with the second after the first magic packet from which on it is tried",
        example=["ethernet", "udp_broadcast@2", "exec@10"],
    )
    subnets: tuple[str, ...] = setting(
        "networks",
        (),
        "IPv4 networks behind routers that carry directed broadcasts: udp_directed sends there too",
        example=["198.51.100.0/24"],
    )
    exec: tuple[str, ...] = setting(
        "strs",
        (),
        "program, with its arguments, that the way exec runs once in a wake; it finds POWERNAP_HOST, POWERNAP_MACS, "
        "POWERNAP_ADDRESSES, POWERNAP_GROUP, POWERNAP_REASON and POWERNAP_PASSWORD in its environment",
        example=["/usr/local/bin/power-on"],
    )
    alert: tuple[str, ...] = setting(
        "strs",
        (),
        "program, with its arguments, that is told of hosts that do not wake and of conflicts, by JSON on its input",
        example=["/usr/local/bin/tell-operator"],
    )
    program_seconds: float = setting(
        "float", 20, "time after which exec and alert are killed", unit="seconds", minimum=1, maximum=600
    )
    wakes_per_minute: int = setting(
        "int",
        300,
        "machines that may be started in a minute, a tenth of them at once; more wait for their turn; 0: no limit",
        minimum=0,
        maximum=1_000_000,
    )
    hold_frames: bool = setting(
        "bool",
        True,
        "keep the connections and datagrams that a sleeping machine is asked for, and hand them to it when it is "
        "ready; without, whoever asks finds out by its own repetitions",
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
