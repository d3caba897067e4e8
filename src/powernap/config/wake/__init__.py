# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration of powerwaked: its schema, and how it is read. A new section is one module and one line here."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from powernap.config.build import Builder
from powernap.config.catalogue import Catalogue, Named, entries, first_line
from powernap.config.errors import ConfigError
from powernap.config.layers import layers
from powernap.config.wake.api import ApiSettings
from powernap.config.wake.brokers import MqttSettings, StompSettings, check_brokers
from powernap.config.wake.demand import DemandSettings
from powernap.config.wake.discovery import DiscoverySettings
from powernap.config.wake.enrolment import EnrolmentSettings
from powernap.config.wake.groups import GroupSettings
from powernap.config.wake.listen import ListenSettings
from powernap.config.wake.listen import problems as listen_problems
from powernap.config.wake.path import PathSettings
from powernap.config.wake.policy import PolicySettings, PresenceSettings, check_policy
from powernap.config.wake.registry import RegistrySettings
from powernap.config.wake.wake import WakeSettings
from powernap.shared.schema import options_of
from powernap.wake.methods import METHODS
from powernap.wake.methods.schedule import BadSchedule, parse_schedule

DEFAULT_PATH = "/etc/powernap/powerwaked.toml"
_PIN = PathSettings().pin


@dataclass(frozen=True)
class WakeConfig:
    """All that powerwaked is told; ``origin`` maps dotted keys to the file each came from."""

    listen: ListenSettings
    registry: RegistrySettings
    wake: WakeSettings
    demand: DemandSettings
    path: PathSettings
    api: ApiSettings
    enrolment: EnrolmentSettings
    discovery: DiscoverySettings
    policy: PolicySettings
    presence: PresenceSettings
    mqtt: MqttSettings
    stomp: StompSettings
    groups: Mapping[str, GroupSettings]
    origin: Mapping[str, str]


#: One for each field of WakeConfig that is a section.
SECTIONS = {
    "listen": ListenSettings,
    "registry": RegistrySettings,
    "wake": WakeSettings,
    "demand": DemandSettings,
    "path": PathSettings,
    "api": ApiSettings,
    "enrolment": EnrolmentSettings,
    "discovery": DiscoverySettings,
    "policy": PolicySettings,
    "presence": PresenceSettings,
    "mqtt": MqttSettings,
    "stomp": StompSettings,
}
_GROUPS = Named("groups", first_line(GroupSettings.__doc__), options_of(GroupSettings))
CATALOGUE = Catalogue("powerwaked.toml", entries(SECTIONS), (_GROUPS,))


def load_wake(path: str | Path, drop_in_dir: str | Path | None = None) -> WakeConfig:
    """Read powerwaked's configuration; drop-ins as for powernapd. Raises ConfigError with every problem found."""
    path = Path(path)
    merged = layers(path, [], Path(drop_in_dir or path.with_suffix(".d")))
    builder = Builder(merged)
    builder.only((*SECTIONS, "groups"), SECTIONS)
    config = WakeConfig(
        **{name: builder.section(name, cls) for name, cls in SECTIONS.items()},
        groups=_groups(builder),
        origin=merged.origin,
    )
    _check_ways(builder, config)
    _check_others(builder, config)
    check_policy(builder, config.groups)
    if builder.problems:
        raise ConfigError(builder.problems)
    return config


def _check_ways(builder: Builder, config: WakeConfig) -> None:
    lists = {"wake": config.wake.methods}
    lists |= {f"groups.{name}": group.methods for name, group in config.groups.items() if group.methods}
    for table, methods in lists.items():
        try:
            steps = parse_schedule(methods, METHODS)
        except BadSchedule as error:
            builder.problem(f"{table}.methods", str(error))
            continue
        if not config.wake.exec and {step.method for step in steps if step.start == 0} == {"exec"}:
            builder.problem(f"{table}.methods", "only exec is tried at once, but wake.exec names no program: set that")
    subnets = {"wake": config.wake.subnets} | {f"groups.{name}": group.subnets for name, group in config.groups.items()}
    for table, networks in subnets.items():
        for network in networks:
            if ":" in network:
                builder.problem(f"{table}.subnets", f"{network} has no broadcast address: give IPv4 networks")


def _check_others(builder: Builder, config: WakeConfig) -> None:
    listen_problems(config.listen, builder.problem)
    check_brokers(builder, config.mqtt, config.stomp)
    for name in config.groups:
        if not name.isprintable() or not name or " " in name:
            builder.problem(f"groups.{name}", f"{name!r} is no group's name: give one without spaces, such as rack1")
    if config.path.pin and not config.path.pin.startswith("/"):
        builder.problem("path.pin", f'{config.path.pin!r} is not an absolute path: write {_PIN}, or "" for none')
    demand = config.demand
    if demand.false_wakes > demand.of_wakes:
        sentence = f"{demand.false_wakes} false of {demand.of_wakes} wakes can never be: give at most demand.of_wakes"
        builder.problem("demand.false_wakes", f"{sentence}, or 0 to believe everybody")
    for key in ("exec", "alert"):
        program = getattr(config.wake, key)
        if program and not program[0].startswith("/"):
            builder.problem(
                f"wake.{key}", f"{program[0]!r} is not an absolute path: write the whole path of the program"
            )


def _groups(builder: Builder) -> dict[str, GroupSettings]:
    tables = builder.merged.values.get("groups", {})
    if not isinstance(tables, Mapping):
        builder.problem("groups", f"{tables!r} is not a table: write [groups.NAME] and its keys below it")
        return {}
    options = options_of(GroupSettings)
    return {name: GroupSettings(**builder.table(f"groups.{name}", options, each)) for name, each in tables.items()}
