# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One declaration per option: from it come validation, --check-config, the reference and the roles' argument_specs."""

from __future__ import annotations

import json
import math
import re
from dataclasses import MISSING, dataclass, field, fields
from typing import Any

from .errors import BadPorts, BadValue
from .ports import parse_ports

#: What an option may hold, in words for people. "ports" become ((first, last), ...); "strs", "windows", "networks",
#: "sources" and "rules" a tuple of texts. "choices" of a list are those of its items.
TYPES = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "str": "a text",
    "path": "an absolute path",
    "url": 'an address such as "http://wake1:20709", or ""',
    "regex": "a regular expression",
    "strs": "a list of texts",
    "ports": 'a list of ports and port ranges such as [22, "8000-8099"]',
    "threshold": 'a number, or "n" for the number of CPUs',
    "windows": 'a list of times of day such as ["22:00-06:00"]',
    "networks": 'a list of addresses and networks such as ["192.0.2.0/24", "2001:db8::/32"]',
    "sources": 'a list of addresses, networks and MAC addresses such as ["192.0.2.0/24", "02:00:00:00:00:01"]',
    "rules": 'a list of rules such as ["192.0.2.7", "tcp/22", "10.0.0.0/8 udp/5000-5100"]',
}

_HOUR = r"([01][0-9]|2[0-3]):([0-5][0-9])"
_WINDOW = re.compile(rf"\A{_HOUR}-{_HOUR}\Z")


@dataclass(frozen=True)
class Option:
    """One key of a configuration file. ``sample``: shown by a sample file where the default alone would be refused."""

    name: str
    type: str
    default: Any
    description: str
    unit: str = ""
    minimum: Any = None
    maximum: Any = None
    choices: tuple[str, ...] = ()
    example: Any = None
    required: bool = False
    sample: Any = None

    def accept(self, value: Any) -> Any:
        """Return the value in its normal form. Raises BadValue with a sentence that does not name the key."""
        if isinstance(value, str) and value == self.default == "":
            return value  # of an optional path, which "" leaves out
        value = _CHECKS[self.type](value)
        for item in value if isinstance(value, tuple) else (value,):
            if self.choices and item not in self.choices:
                raise BadValue(f"{item!r} is none of {', '.join(self.choices)}" + suggestion(item, self.choices))
        if self.minimum is not None and isinstance(value, (int, float)) and value < self.minimum:
            raise BadValue(f"{value} is too small: at least {self.minimum} {self.unit}".rstrip())
        if self.maximum is not None and isinstance(value, (int, float)) and value > self.maximum:
            raise BadValue(f"{value} is too large: at most {self.maximum} {self.unit}".rstrip())
        return value


def setting(type: str, default: Any, description: str, **more: Any) -> Any:
    """Declare an option as a field of a dataclass: the class then serves as schema and as typed result."""
    metadata = {"type": type, "description": description, **more}
    # pylint takes every field() that does not stand in a dataclass itself for a mistake; this one's result does.
    return field(default=default, metadata=metadata)  # pylint: disable=invalid-field-call


def options_of(section: Any) -> tuple[Option, ...]:
    """Return the options that a dataclass declares by ``setting``."""
    return tuple(
        Option(item.name, default=None if item.default is MISSING else item.default, **item.metadata)
        for item in fields(section)
        if item.metadata
    )


def suggestion(word: Any, known: Any) -> str:
    """Return "; did you mean X?" or, where nothing is near, an empty text."""
    import difflib  # costs memory, and is needed only where something is wrong

    near = difflib.get_close_matches(str(word), [str(item) for item in known], n=1, cutoff=0.6)
    return f"; did you mean {near[0]}?" if near else ""


def check_table(values: Any, options: tuple[Option, ...]) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """Return the accepted values, with defaults filled in, and the problems as (key, sentence)."""
    known = {option.name: option for option in options}
    accepted = {option.name: option.default for option in options}
    problems = [
        (key, "no such key" + (suggestion(key, known) or f"; known here: {', '.join(sorted(known))}"))
        for key in values
        if key not in known
    ]
    for name, option in known.items():
        if name not in values:
            if option.required:
                problems.append(
                    (name, "missing: give " + TYPES[option.type].partition(" such as ")[0] + _example(option))
                )
            continue
        try:
            accepted[name] = option.accept(values[name])
        except (BadValue, BadPorts) as error:
            problems.append((name, str(error)))
    return accepted, problems


def _example(option: Option) -> str:
    return "" if option.example is None else f", such as {json.dumps(option.example, ensure_ascii=False)}"


def _wrong(value: Any, type: str) -> BadValue:
    return BadValue(f"{value!r} is not {TYPES[type]}" + _remedy(value, type))


def _remedy(value: Any, type: str) -> str:
    """Return how to write what was most likely meant, or an empty text."""
    if type in ("int", "float") and isinstance(value, str):
        return ": write it without quotes and without a unit"
    if type == "bool" and isinstance(value, str):
        return ": write true or false without quotes"
    if type == "str" and isinstance(value, (int, float)):
        return f': write "{str(value).lower()}", in quotes'
    if type in ("strs", "sources", "rules") and isinstance(value, str):
        return f": write [{json.dumps(value, ensure_ascii=False)}]"
    return ""


def _int(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise _wrong(value, "int")
    return value


def _float(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise _wrong(value, "float")
    return value


def _bool(value: Any) -> bool:
    if not isinstance(value, bool):
        raise _wrong(value, "bool")
    return value


def _str(value: Any) -> str:
    if not isinstance(value, str):
        raise _wrong(value, "str")
    return value


def _path(value: Any) -> str:
    if not isinstance(value, str) or not value.startswith("/"):
        raise _wrong(value, "path")
    return value


def _url(value: Any) -> str:
    if not isinstance(value, str) or (value and not re.match(r"\Ahttps?://[^/\s]+/?\Z", value)):
        raise _wrong(value, "url")
    port = re.search(r":([0-9]+)/?\Z", value)
    if port and not 1 <= int(port.group(1)) <= 65535:
        raise BadValue(f"{value!r} has no port: ports go from 1 to 65535")
    return value.rstrip("/")


def _regex(value: Any) -> str:
    text = _str(value)
    try:
        re.compile(text)
    except re.error as error:
        raise BadValue(f"{text!r} is no regular expression: {error}") from error
    return text


def _strs(value: Any, type: str = "strs") -> tuple[str, ...]:
    if not isinstance(value, (list, tuple)) or not all(isinstance(item, str) for item in value):
        raise _wrong(value, type)
    return tuple(value)


def _threshold(value: Any) -> Any:
    if value == "n":
        return value
    if isinstance(value, str):
        raise _wrong(value, "threshold")
    if _float(value) < 0:
        raise BadValue(f"{value} is too small: at least 0")
    return value


def _windows(value: Any) -> tuple[str, ...]:
    windows = _strs(value, "windows")
    for window in windows:
        match = _WINDOW.match(window)
        if not match or match.group(1, 2) == match.group(3, 4):
            raise BadValue(f'{window!r} is no part of a day: write it as "22:00-06:00", which passes midnight')
    return windows


def _networks(value: Any) -> tuple[str, ...]:
    from ipaddress import ip_network

    networks = []
    for text in _strs(value, "networks"):
        try:
            networks.append(str(ip_network(text)))
        except ValueError as error:
            bits = "has host bits set" in str(error)
            remedy = (
                f"write {ip_network(text, strict=False)}" if bits else 'write such as "192.0.2.7" or "192.0.2.0/24"'
            )
            raise BadValue(f"{text!r} is no address and no network: {remedy}") from error
    return tuple(networks)


def _sources(value: Any) -> tuple[str, ...]:
    from .rules import parse_source

    return tuple(str(parse_source(text)) for text in _strs(value, "sources"))


def _rules(value: Any) -> tuple[str, ...]:
    from .rules import parse_rule

    return tuple(str(parse_rule(text)) for text in _strs(value, "rules"))


_CHECKS = {
    "int": _int,
    "float": _float,
    "bool": _bool,
    "str": _str,
    "path": _path,
    "url": _url,
    "regex": _regex,
    "strs": _strs,
    "ports": parse_ports,
    "threshold": _threshold,
    "windows": _windows,
    "networks": _networks,
    "sources": _sources,
    "rules": _rules,
}
