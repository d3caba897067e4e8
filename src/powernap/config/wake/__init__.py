# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration of powerwaked: its schema, and how it is read. A new section is one module and one line here."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from powernap.config.build import Builder
from powernap.config.catalogue import Catalogue, Named, entries, first_line
from powernap.config.errors import ConfigError
from powernap.config.layers import layers
from powernap.config.wake.demand import DemandSettings
from powernap.config.wake.groups import GroupSettings
from powernap.config.wake.listen import ListenSettings
from powernap.config.wake.registry import RegistrySettings
from powernap.config.wake.wake import WakeSettings
from powernap.shared.schema import options_of

DEFAULT_PATH = "/etc/powernap/powerwaked.toml"


@dataclass(frozen=True)
class WakeConfig:
    """All that powerwaked is told; ``origin`` maps dotted keys to the file each came from."""

    listen: ListenSettings
    registry: RegistrySettings
    wake: WakeSettings
    demand: DemandSettings
    groups: Mapping[str, GroupSettings]
    origin: Mapping[str, str]


#: One for each field of WakeConfig that is a section.
SECTIONS = {"listen": ListenSettings, "registry": RegistrySettings, "wake": WakeSettings, "demand": DemandSettings}
_GROUPS = Named("groups", first_line(GroupSettings.__doc__), options_of(GroupSettings))
CATALOGUE = Catalogue("powerwaked.toml", entries(SECTIONS), (_GROUPS,))


def load_wake(path: str | Path, drop_in_dir: str | Path | None = None) -> WakeConfig:
    """Read powerwaked's configuration; drop-ins as for powernapd. Raises ConfigError with every problem found."""
    path = Path(path)
    merged = layers(path, [], Path(drop_in_dir or path.with_suffix(".d")))
    builder = Builder(merged)
    builder.only((*SECTIONS, "groups"))
    config = WakeConfig(
        **{name: builder.section(name, cls) for name, cls in SECTIONS.items()},
        groups=_groups(builder),
        origin=merged.origin,
    )
    if builder.problems:
        raise ConfigError(builder.problems)
    return config


def _groups(builder: Builder) -> dict[str, GroupSettings]:
    tables = builder.merged.values.get("groups", {})
    if not isinstance(tables, Mapping):
        builder.problem("groups", f"{tables!r} is not a table: write [groups.NAME] and its keys below it")
        return {}
    options = options_of(GroupSettings)
    return {name: GroupSettings(**builder.table(f"groups.{name}", options, each)) for name, each in tables.items()}
