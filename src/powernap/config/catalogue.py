# SPDX-License-Identifier: GPL-3.0-or-later
"""All that can be configured, as data: from it the sample file and docs/reference.md are written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from powernap.shared.ports import format_ports
from powernap.shared.schema import TYPES, Option, options_of
from powernap.shared.toml import dumps


@dataclass(frozen=True)
class Entry:
    """What has options: a section, or one kind of named section."""

    name: str
    summary: str
    options: tuple[Option, ...]
    about: str = ""


@dataclass(frozen=True)
class Named:
    """The sections [name.ANY]: of one of several kinds, or, where ``kinds`` is empty, all with the same options."""

    name: str
    summary: str
    common: tuple[Option, ...]
    kinds: tuple[Entry, ...] = ()


@dataclass(frozen=True)
class Catalogue:
    """Everything that one daemon's file may hold."""

    file: str
    sections: tuple[Entry, ...]
    named: tuple[Named, ...] = ()
    profiles: bool = False


def entries(sections: Mapping[str, type]) -> tuple[Entry, ...]:
    """Return sections that are declared as dataclasses."""
    return tuple(Entry(name, first_line(cls.__doc__), options_of(cls)) for name, cls in sections.items())


def written(option: Option, value: Any) -> str:
    """Return "key = value" as TOML; a value in its accepted form is written as a person would."""
    if option.type == "ports" and not isinstance(value, (int, str)):
        value = [int(part) if part.isdigit() else part for part in _ports(value).split(",") if part]
    return dumps({option.name: value}).strip()


def shown(option: Option) -> Any:
    """Return the value to show for an option: its default or, where that will not do, its example (else None)."""
    if option.sample is not None:
        return option.sample
    return option.example if option.required or option.default is None else option.default


def words(option: Option) -> str:
    """Return what an option may hold, in words, without an example."""
    return TYPES[option.type].partition(" such as")[0].partition(", or")[0]


def limits(option: Option) -> str:
    """Return the range of an option in words, such as "1 to 100"; "" where there is none."""
    if option.choices:
        return ", ".join(option.choices)
    if option.minimum is not None and option.maximum is not None:
        return f"{option.minimum} to {option.maximum}"
    if option.minimum is not None:
        return f"at least {option.minimum}"
    return "" if option.maximum is None else f"at most {option.maximum}"


def _ports(value: Any) -> str:
    if all(isinstance(item, tuple) for item in value):
        return format_ports(tuple(value))
    return ",".join(str(item) for item in value)


def first_line(doc: str | None) -> str:
    """Return the summary of a docstring."""
    return (doc or "").strip().partition("\n")[0]
