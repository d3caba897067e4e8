# SPDX-License-Identifier: GPL-3.0-or-later
"""Say what a configuration means: every value, and the file that it came from."""

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from powernap.config.nap import NapConfig, Section
from powernap.config.wake import WakeConfig
from powernap.shared.ports import format_ports

#: The column in which the files stand, unless a value is longer.
WIDTH = 60


def explain(config: NapConfig | WakeConfig) -> str:
    """Return one line for each value: dotted key, value with its unit, and its file (or "default")."""
    lines = [(f"{key} = {value}", _origin(config.origin, key)) for key, value in values(config)]
    width = min(max(len(line) for line, _file in lines), WIDTH)
    return "\n".join(f"{line:{width}}  # {file}" for line, file in lines)


def _origin(origin: Mapping[str, str], key: str) -> str:
    return origin.get(key, "default")


def values(config: NapConfig | WakeConfig) -> Iterator[tuple[str, str]]:
    """Yield each dotted key and its value with its unit, as people read it."""
    for part in fields(config):
        section = getattr(config, part.name)
        if is_dataclass(section):
            yield from _section(part.name, section)
        elif part.name not in ("origin", "notes", "include"):
            for name, named in section.items():
                yield from (_named if isinstance(named, Section) else _section)(f"{part.name}.{name}", named)


def _section(dotted: str, section: Any) -> Iterator[tuple[str, str]]:
    for item in fields(section):
        value = text_of(getattr(section, item.name), item.metadata.get("type"))
        yield f"{dotted}.{item.name}", f"{value} {item.metadata.get('unit', '')}".rstrip()


def _named(dotted: str, section: Section) -> Iterator[tuple[str, str]]:
    yield f"{dotted}.kind", text_of(section.kind)
    for key, value in section.values.items():
        yield f"{dotted}.{key}", text_of(value)


def text_of(value: Any, type: str | None = None) -> str:
    """Return a value as people read it, much as TOML has it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, tuple) and (type == "ports" or (value and isinstance(value[0], tuple))):
        return format_ports(value) or "(none given)"
    if isinstance(value, tuple):
        return "[" + ", ".join(text_of(item) for item in value) + "]"
    return f"{value:g}" if isinstance(value, float) else str(value)
