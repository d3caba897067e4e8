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
    """The merged values and, for every dotted key, the file that it came from.

    ``stand_for``: for a table, the dotted keys that replace it whole where a nearer layer has one of them and no such
    table. ``replaced`` tells what was: the file, its key, and the names in the table. ``problems``: with what is
    included, one sentence each; then what the files set may lack what a profile would have said.
    """

    stand_for: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    replaced: list[tuple[str, str, tuple[str, ...]]] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)
    origin: dict[str, str] = field(default_factory=dict)
    include: tuple[str, ...] = ()
    include_file: str = ""
    problems: list[str] = field(default_factory=list)

    def add(self, layer: Mapping[str, Any], file: str) -> None:
        """Merge a layer over what is there: tables merge deep, everything else is replaced."""
        for table, keys in self.stand_for.items():
            key = next((key for key in keys if _has(layer, key)), None)
            if key is not None and table not in layer and isinstance(self.values.get(table), dict):
                self.replaced.append((file, key, tuple(self.values.pop(table))))
                gone = [dotted for dotted in self.origin if dotted == table or dotted.startswith(f"{table}.")]
                for dotted in gone:
                    del self.origin[dotted]
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


def _has(layer: Mapping[str, Any], dotted: str) -> bool:
    table, _dot, key = dotted.partition(".")
    return isinstance(layer.get(table), Mapping) and key in layer[table]


class Files:
    """The files of a configuration; ``overlay`` holds texts that count as if they were written there."""

    def __init__(self, overlay: Mapping[Path, str] | None = None) -> None:
        self._overlay = overlay or {}

    def read(self, path: Path) -> dict[str, Any]:
        """Return the contents of one TOML file. Raises ConfigError."""
        return parse(path, self._overlay[path].encode() if path in self._overlay else None)

    def there(self, path: Path) -> bool:
        return path in self._overlay or path.is_file()

    def folder(self, path: Path) -> list[Path]:
        """Return the TOML files of a folder, by name."""
        return sorted({*path.glob("*.toml"), *(file for file in self._overlay if file.parent == path)})


def parse(path: Path, content: bytes | None = None) -> dict[str, Any]:
    """Return one TOML file's contents; of ``content``, where it is given. Raises ConfigError."""
    try:
        values: dict[str, Any] = tomllib.loads((path.read_bytes() if content is None else content).decode("utf-8-sig"))
        return values
    except FileNotFoundError as error:
        raise ConfigError([f"{path}: no such file: write it, or name another with --config"]) from error
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path}: is not UTF-8 text (byte {error.start}): save it as UTF-8"]) from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([f"{path}: is not valid TOML: {error}"]) from error


def layers(
    path: Path,
    profile_dirs: list[Path],
    drop_in_dir: Path,
    overlay: Mapping[Path, str] | None = None,
    stand_for: Mapping[str, tuple[str, ...]] | None = None,
    profile: str = "",
) -> Merged:
    """Return the main file merged with the profiles that it includes and its drop-ins; ``stand_for`` as in Merged.

    ``profile``: included in place of those, "" for none.
    Without ``profile_dirs`` there is no "include": the key is left for the schema to refuse. Raises ConfigError for a
    file that cannot be read; what is wrong with the profiles is among the problems.
    """
    files = Files(overlay)
    main = files.read(path)
    drop_ins = [(file, files.read(file)) for file in files.folder(drop_in_dir)]
    merged = Merged(stand_for=stand_for or {})
    if profile_dirs:
        include, source = main.pop("include", []), path
        for file, layer in drop_ins:
            if "include" in layer:
                include, source = layer.pop("include"), file
        if profile:
            include, source = [profile], Path(f"the profile {profile}, which was ordered")
        try:
            Profiles(merged, files, profile_dirs).add(include, source)
            merged.include, merged.include_file = tuple(include), str(source)
        except ConfigError as error:
            merged.problems += error.problems
    merged.add(main, str(path))
    for file, layer in drop_ins:
        merged.add(layer, str(file))
    return merged


class Profiles:
    """Adds profiles, each after those that it includes, and each once: what comes later stands over it."""

    def __init__(self, merged: Merged, files: Files, dirs: list[Path]) -> None:
        self._merged = merged
        self._files = files
        self._dirs = dirs
        self._added: set[Path] = set()

    def add(self, names: Any, source: Path, above: tuple[str, ...] = ()) -> None:
        """Add the profiles that ``source`` includes. Raises ConfigError."""
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise ConfigError([f'{source}: include: {names!r} is not a list of profile names such as ["web-server"]'])
        for name in names:
            if name in above:
                chain = " -> ".join((*above, name))
                raise ConfigError([f"{source}: include: profile {name} includes itself ({chain})"])
            file = self.find(name, source)
            if file not in self._added:
                layer = self._files.read(file)
                self.add(layer.pop("include", []), file, (*above, name))
                self._added.add(file)
                self._merged.add(layer, str(file))

    def find(self, name: str, source: Path) -> Path:
        """Return the file of a profile. Raises ConfigError."""
        wanted = [where / f"{name}.toml" for where in self._dirs] if "/" not in name else []
        for file in wanted:
            if self._files.there(file):
                return file
        from powernap.profiles.render import templates  # what is seldom missing is seldom loaded

        known = sorted({item.stem for where in self._dirs for item in self._files.folder(where)})
        shipped = templates()
        there = f"; profiles here: {', '.join(known)}" if known else f"; there is none in {_either(self._dirs)}"
        if name in shipped:
            there = f" in {_either(self._dirs)}: 'powernap profile apply {name}' writes it"
        else:
            there = suggestion(name, {*known, *shipped}) or there
        raise ConfigError([f"{source}: include: no profile {name!r}{there}"])


def _either(dirs: list[Path]) -> str:
    return " or ".join(map(str, dirs))
