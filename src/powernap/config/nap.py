# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration of powernapd: its schema, and how it is read."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from powernap.config.build import Builder
from powernap.config.errors import ConfigError
from powernap.config.layers import PROFILE_DIRS, layers
from powernap.shared.schema import Option, setting, suggestion

DEFAULT_PATH = "/etc/powernap/powernapd.toml"
ACTIONS = ("powersave", "suspend", "poweroff")
Kinds = Mapping[str, tuple[Option, ...]]


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
        "the last part of absent_seconds, in which people are warned; at most half of it",
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
    stage2_action: str = setting("str", "suspend", "what follows a powersave", choices=ACTIONS[1:])
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


@dataclass(frozen=True)
class ServerSettings:
    """The wake server that stands in for this machine while it sleeps."""

    url: str = setting("url", "", 'address of powerwaked; "": there is none', example="http://wake1:20709")
    name: str = setting("str", "", "this machine's name with the wake server; empty: its host name")
    key_file: str = setting("path", "/etc/powernap/client.key", "file with this machine's key, 64 hex digits")
    required: bool = setting("bool", True, "do not nap unless the wake server has acknowledged it")
    timeout_seconds: float = setting("float", 5, "time that the wake server has to answer", unit="seconds", minimum=0.1)
    lease_seconds: int = setting(
        "int",
        86400,
        "longest sleep: then the wake server wakes the machine",
        unit="seconds",
        minimum=60,
        maximum=30 * 86400,
    )
    tcp_ports: tuple[tuple[int, int], ...] = setting(
        "ports",
        (),
        "TCP ports on which a connection wakes this machine; empty: those it listens on",
        example=[22, "8000-8099"],
    )
    udp_ports: tuple[tuple[int, int], ...] = setting(
        "ports", (), "UDP ports on which a datagram wakes this machine; empty: none", example=[623]
    )


@dataclass(frozen=True)
class PowersaveSettings:
    """What the action powersave turns down."""

    knobs: tuple[str, ...] = setting("strs", ("*",), 'names of the knobs to use; "*": all that this machine has')


@dataclass(frozen=True)
class Section:
    """One monitor or warning: its name, its kind, and the accepted values of the kind's options."""

    name: str
    kind: str
    values: Mapping[str, Any]


@dataclass(frozen=True)
class NapConfig:
    """All that powernapd is told; ``origin`` maps dotted keys to the file each came from."""

    nap: NapSettings
    server: ServerSettings
    powersave: PowersaveSettings
    monitors: Mapping[str, Section]
    warnings: Mapping[str, Section]
    origin: Mapping[str, str]


SECTIONS = {"nap": NapSettings, "server": ServerSettings, "powersave": PowersaveSettings}
ENABLED = Option("enabled", "bool", True, "false: as if this section were not there")


def kind_option(kinds: Kinds) -> Option:
    """Return the option that every named section has."""
    return Option("kind", "str", None, "what sort of section this is", choices=tuple(sorted(kinds)), required=True)


def load_nap(
    path: str | Path,
    monitors: Kinds,
    warnings: Kinds,
    profile_dirs: tuple[str, ...] = PROFILE_DIRS,
    drop_in_dir: str | Path | None = None,
) -> NapConfig:
    """Read powernapd's configuration.

    ``monitors`` and ``warnings`` map each kind to its options. Drop-ins are read from the folder named like the file,
    with ``.d`` for its suffix. Raises ConfigError with every problem that was found.
    """
    path = Path(path)
    merged = layers(path, [Path(where) for where in profile_dirs], Path(drop_in_dir or path.with_suffix(".d")))
    builder = Builder(merged)
    builder.only((*SECTIONS, "monitors", "warnings"))
    config = NapConfig(
        nap=builder.section("nap", NapSettings),
        server=builder.section("server", ServerSettings),
        powersave=builder.section("powersave", PowersaveSettings),
        monitors=_named(builder, "monitors", monitors),
        warnings=_named(builder, "warnings", warnings),
        origin=merged.origin,
    )
    if not builder.problems:
        _cross_check(builder, config)
    if builder.problems:
        raise ConfigError(builder.problems)
    return config


def _named(builder: Builder, table: str, kinds: Kinds) -> dict[str, Section]:
    sections = {}
    tables = builder.merged.values.get(table, {})
    if not isinstance(tables, Mapping):
        builder.problem(table, f"{tables!r} is not a table: write [{table}.NAME] and its keys below it")
        return {}
    for name, values in tables.items():
        dotted = f"{table}.{name}"
        kind = values.get("kind") if isinstance(values, Mapping) else None
        if not isinstance(kind, str) or kind not in kinds:
            said = "missing" if kind is None else f"{kind!r} is no kind of {table[:-1]}"
            builder.problem(
                f"{dotted}.kind", said + (suggestion(kind, kinds) or f"; kinds: {', '.join(sorted(kinds))}")
            )
            continue
        accepted = builder.table(dotted, (kind_option(kinds), ENABLED, *kinds[kind]), values)
        if accepted["enabled"]:
            own = {option.name: accepted[option.name] for option in kinds[kind]}
            sections[name] = Section(name, kind, own)
    return sections


def _cross_check(builder: Builder, config: NapConfig) -> None:
    nap = config.nap
    if nap.grace_seconds > nap.absent_seconds:
        builder.problem(
            "nap.grace_seconds",
            f"{nap.grace_seconds:g} is longer than absent_seconds ({nap.absent_seconds:g}), of which it is the "
            "last part: make it shorter",
        )
    if nap.stage2_absent_seconds and nap.action != "powersave":
        builder.problem(
            "nap.stage2_absent_seconds",
            f'a second stage follows only action = "powersave", not {nap.action}: set it to 0',
        )
