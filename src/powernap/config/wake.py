# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration of powerwaked: its schema, and how it is read."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from powernap.config.build import Builder
from powernap.config.catalogue import Catalogue, entries
from powernap.config.errors import ConfigError
from powernap.config.layers import layers
from powernap.shared.paths import ADMIN_SOCKET
from powernap.shared.schema import setting

DEFAULT_PATH = "/etc/powernap/powerwaked.toml"
WAKE_ON = ("demand", "arp", "never")


@dataclass(frozen=True)
class ListenSettings:
    """Where clients and administrators reach powerwaked."""

    address: str = setting("str", "0.0.0.0", "address on which clients register", example="198.18.0.1")
    port: int = setting("int", 20709, "TCP port on which clients register", minimum=1, maximum=65535)
    admin_socket: str = setting("path", ADMIN_SOCKET, "Unix socket of the admin API, for root")


@dataclass(frozen=True)
class RegistrySettings:
    """Where powerwaked keeps what it knows of its clients."""

    path: str = setting("path", "/var/lib/powerwaked/registry.sqlite", "SQLite file with clients, keys and states")


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


@dataclass(frozen=True)
class WakeConfig:
    """All that powerwaked is told; ``origin`` maps dotted keys to the file each came from."""

    listen: ListenSettings
    registry: RegistrySettings
    wake: WakeSettings
    origin: Mapping[str, str]


SECTIONS = {"listen": ListenSettings, "registry": RegistrySettings, "wake": WakeSettings}
CATALOGUE = Catalogue("powerwaked.toml", entries(SECTIONS))


def load_wake(path: str | Path, drop_in_dir: str | Path | None = None) -> WakeConfig:
    """Read powerwaked's configuration; drop-ins as for powernapd. Raises ConfigError with every problem found."""
    path = Path(path)
    merged = layers(path, [], Path(drop_in_dir or path.with_suffix(".d")))
    builder = Builder(merged)
    builder.only(tuple(SECTIONS))
    config = WakeConfig(
        listen=builder.section("listen", ListenSettings),
        registry=builder.section("registry", RegistrySettings),
        wake=builder.section("wake", WakeSettings),
        origin=merged.origin,
    )
    if builder.problems:
        raise ConfigError(builder.problems)
    return config
