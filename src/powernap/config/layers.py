# SPDX-License-Identifier: GPL-3.0-or-later
"""Read TOML files and merge them: profiles, then the main file, then the drop-ins, later wins."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from powernap.config.errors import ConfigError
from powernap.shared.schema import suggestion

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PROFILE_DIRS = ("/etc/powernap/profiles", "/usr/lib/powernap/profiles")


@dataclass
class Merged:
    """The merged values and, for every dotted key, the file that it came from."""

    values: dict[str, Any] = field(default_factory=dict)
    origin: dict[str, str] = field(default_factory=dict)

    def add(self, layer: Mapping[str, Any], file: str) -> None:
        """Merge a layer over what is there: tables merge deep, everything else is replaced."""
        self._merge(self.values, layer, file, "")

    def _merge(self, into: dict[str, Any], layer: Mapping[str, Any], file: str, prefix: str) -> None:
        for key, value in layer.items():
            dotted = prefix + key
            self.origin[dotted] = file
            if isinstance(value, Mapping) and isinstance(into.get(key), dict):
                self._merge(into[key], value, file, dotted + ".")
            elif isinstance(value, Mapping):
                into[key] = {}
                self._merge(into[key], value, file, dotted + ".")
            else:
                into[key] = value

    def file_of(self, dotted: str) -> str:
        """Return the file that a key, or else the nearest table above it, came from."""
        while dotted not in self.origin and "." in dotted:
            dotted = dotted.rpartition(".")[0]
        return self.origin.get(dotted, "")


def read(path: Path) -> dict[str, Any]:
    """Return the contents of one TOML file. Raises ConfigError."""
    try:
        values: dict[str, Any] = tomllib.loads(path.read_bytes().decode("utf-8"))
        return values
    except FileNotFoundError as error:
        raise ConfigError([f"{path}: no such file: write it, or name another with --config"]) from error
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path}: is not UTF-8 text (byte {error.start}): save it as UTF-8"]) from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([f"{path}: is not valid TOML: {error}"]) from error


def layers(path: Path, profile_dirs: list[Path], drop_in_dir: Path) -> Merged:
    """Return the main file merged with the profiles that it includes and its drop-ins.

    Without ``profile_dirs`` there is no "include": the key is left for the schema to refuse. Raises ConfigError.
    """
    main = read(path)
    drop_ins = [(file, read(file)) for file in sorted(drop_in_dir.glob("*.toml"))]
    merged = Merged()
    if profile_dirs:
        include, source = main.pop("include", []), path
        for file, layer in drop_ins:
            if "include" in layer:
                include, source = layer.pop("include"), file
        _add_profiles(merged, include, source, profile_dirs, ())
    merged.add(main, str(path))
    for file, layer in drop_ins:
        merged.add(layer, str(file))
    return merged


def _add_profiles(merged: Merged, names: Any, source: Path, dirs: list[Path], above: tuple[str, ...]) -> None:
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ConfigError([f'{source}: include: {names!r} is not a list of profile names such as ["web-server"]'])
    for name in names:
        if name in above:
            raise ConfigError([f"{source}: include: profile {name} includes itself ({' -> '.join((*above, name))})"])
        file = next((file for file in (where / f"{name}.toml" for where in dirs) if file.is_file()), None)
        if file is None or "/" in name:
            known = sorted({item.stem for where in dirs for item in where.glob("*.toml")})
            there = (
                f"; profiles here: {', '.join(known)}" if known else f"; there is none in {' or '.join(map(str, dirs))}"
            )
            raise ConfigError([f"{source}: include: no profile {name!r}{suggestion(name, known) or there}"])
        layer = read(file)
        _add_profiles(merged, layer.pop("include", []), file, dirs, (*above, name))
        merged.add(layer, str(file))
