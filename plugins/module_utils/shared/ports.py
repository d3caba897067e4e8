# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ports and port ranges: everywhere a port is accepted, a range is too."""

from __future__ import annotations

import re
from typing import Any, Tuple

from .errors import BadPorts

#: ((first, last), ...)
Ranges = Tuple[Tuple[int, int], ...]

_RANGE = re.compile(r"\A\s*(\d{1,7})\s*(?:-\s*(\d{1,7})\s*)?\Z")


def parse_ports(value: Any) -> Ranges:
    """Return ((first, last), ...), sorted and merged, of 22, "22,8000-8099" or a list of such.

    Raises BadPorts.
    """
    return _merge(sorted(_pairs(value)))


def _pairs(value: Any) -> list[tuple[int, int]]:
    if isinstance(value, bool) or not isinstance(value, (int, str, list, tuple)):
        raise BadPorts(f'{value!r} is no port: write a number such as 22 or a range such as "8000-8099"')
    if isinstance(value, (list, tuple)):
        return [pair for item in value for pair in _pairs(item)]
    if isinstance(value, int):
        return [_pair(value, value, value)]
    pairs = []
    for part in value.split(",") if value.strip() else ():
        match = _RANGE.match(part)
        if not match:
            raise BadPorts(f"{part.strip()!r} is no port: write a number such as 22 or a range such as 8000-8099")
        first = int(match.group(1))
        pairs.append(_pair(first, int(match.group(2) or first), part.strip()))
    return pairs


def _pair(first: int, last: int, text: object) -> tuple[int, int]:
    if first > last:
        raise BadPorts(f"the port range {text} is upside down: write {last}-{first}")
    if first < 1 or last > 65535:
        raise BadPorts(f"{text} is no port: ports go from 1 to 65535")
    return first, last


def _merge(pairs: list[tuple[int, int]]) -> Ranges:
    merged: list[tuple[int, int]] = []
    for first, last in pairs:
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return tuple(merged)


def contains(ranges: Ranges, port: int) -> bool:
    """Tell whether ``port`` lies in one of ((first, last), ...)."""
    return any(first <= port <= last for first, last in ranges)


def format_ports(ranges: Ranges) -> str:
    """Return ((22, 22), (8000, 8099)) as "22,8000-8099"."""
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges)
