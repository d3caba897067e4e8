# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration of powernapd: its schema, and how it is read."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from powernap.config.broker import check_broker
from powernap.config.build import Builder
from powernap.config.errors import ConfigError
from powernap.config.layers import PROFILE_DIRS, layers
from powernap.config.sections import (
    SECTIONS,
    DiscoverySettings,
    EnergySettings,
    EnrolmentSettings,
    HistorySettings,
    InhibitorSettings,
    NapSettings,
    PowersaveSettings,
    ServerSettings,
    SleepSettings,
)
from powernap.config.sections.steps import StepSettings
from powernap.config.steps import CLASSIC, check_steps, read_steps
from powernap.shared.schema import Option, suggestion

DEFAULT_PATH = "/etc/powernap/powernapd.toml"
Kinds = Mapping[str, tuple[Option, ...]]


@dataclass(frozen=True)
class Section:
    """One monitor or warning: its name, its kind, and the accepted values of the kind's options."""

    name: str
    kind: str
    values: Mapping[str, Any]


@dataclass(frozen=True)
class NapConfig:
    """All that powernapd is told; ``origin`` maps dotted keys to the file each came from.

    ``notes``: what people should know of how the files were understood, one sentence each.
    """

    nap: NapSettings
    server: ServerSettings
    discovery: DiscoverySettings
    enrolment: EnrolmentSettings
    powersave: PowersaveSettings
    sleep: SleepSettings
    inhibitors: InhibitorSettings
    history: HistorySettings
    energy: EnergySettings
    steps: Mapping[str, StepSettings]
    monitors: Mapping[str, Section]
    warnings: Mapping[str, Section]
    origin: Mapping[str, str]
    notes: tuple[str, ...] = ()
    include: tuple[str, ...] = ()


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
    overlay: Mapping[Path, str] | None = None,
    profile: str = "",
) -> NapConfig:
    """Read powernapd's configuration.

    ``monitors`` and ``warnings`` map each kind to its options. Drop-ins are read from the folder named like the file,
    with ``.d`` for its suffix. ``overlay`` holds texts that count as if they were written. ``profile`` stands for
    what the files include, "" for none. Raises ConfigError with every problem that was found.
    """
    path = Path(path)
    dirs = [Path(where) for where in profile_dirs]
    merged = layers(path, dirs, Path(drop_in_dir or path.with_suffix(".d")), overlay, {"steps": CLASSIC}, profile)
    builder = Builder(merged)
    builder.only((*SECTIONS, "steps", "monitors", "warnings"), SECTIONS)
    config = NapConfig(
        **{name: builder.section(name, cls) for name, cls in SECTIONS.items()},
        steps=read_steps(builder),
        monitors=_named(builder, "monitors", monitors),
        warnings=_named(builder, "warnings", warnings),
        origin=merged.origin,
        notes=tuple(_replaced(*each) for each in merged.replaced),
        include=merged.include,
    )
    if not builder.problems:
        _cross_check(builder, config)
    if builder.problems:
        raise ConfigError(builder.problems)
    return config


def _replaced(file: str, key: str, names: tuple[str, ...]) -> str:
    return (
        f"{file}: {key} stands for the steps of what it includes ({', '.join(names)}): to change one, set it in [steps]"
    )


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


def _is_here(url: str) -> bool:
    """Tell whether an address is of this machine's loopback interface."""
    host = url.partition("://")[2].strip("/")
    return re.fullmatch(r"(localhost|127(\.[0-9]+){3}|\[::1\])(:[0-9]+)?", host) is not None


def _cross_check(builder: Builder, config: NapConfig) -> None:
    drain = config.sleep.drain
    if drain and not drain.startswith("/"):
        builder.problem("sleep.drain", f'{drain!r} is no program: give its absolute path such as "/etc/powernap/drain"')
    nap = config.nap
    check_steps(builder, config.steps, nap)
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
    if config.server.url.startswith("http:") and not _is_here(config.server.url):
        builder.problem(
            "server.url",
            f"{config.server.url} would go unencrypted to another machine: write https://, and server.ca_file",
        )
    ca_file = config.server.ca_file
    if ca_file != "system" and not ca_file.startswith("/"):
        builder.problem("server.ca_file", f'{ca_file!r} is neither a path that begins with a slash nor "system"')
    check_broker(builder, config.server)
    if nap.ups:
        from powernap.machine import nut

        try:
            nut.address(nap.ups)
        except nut.UpsError as error:
            builder.problem("nap.ups", str(error))
