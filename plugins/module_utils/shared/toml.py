# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Write TOML 1.0: the standard library only reads it."""

from __future__ import annotations

import json
import re
from typing import Any

from .errors import BadValue

_BARE = re.compile(r"\A[A-Za-z0-9_-]+\Z")


def dumps(data: Any) -> str:
    """Return a mapping as TOML text, the same for the same mapping. Raises BadValue for what TOML cannot hold."""
    lines: list[str] = []
    _table(data, (), lines)
    return "\n".join(lines).strip("\n") + "\n"


def _table(table: Any, path: tuple[str, ...], lines: list[str]) -> None:
    plain = [(key, value) for key, value in table.items() if not _is_table(value)]
    inner = [(key, value) for key, value in table.items() if _is_table(value)]
    if path and (plain or not inner):
        lines.append("")
        lines.append("[" + ".".join(_key(part) for part in path) + "]")
    for key, value in plain:
        if value is not None:
            lines.append(f"{_key(key)} = {_value(value, (*path, key))}")
    for key, value in inner:
        _table(value, (*path, key), lines)


def _is_table(value: Any) -> bool:
    return hasattr(value, "items")


def _key(key: object) -> str:
    return str(key) if _BARE.match(str(key)) else _string(str(key))


def _string(text: str) -> str:
    # JSON's escapes are TOML's, but for DEL, which TOML wants escaped
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _value(value: Any, path: tuple[str, ...]) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, float):
        return repr(float(value))
    if isinstance(value, str):
        return _string(str(value))
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_value(item, path) for item in value) + "]"
    if _is_table(value):
        return "{" + ", ".join(f"{_key(key)} = {_value(item, path)}" for key, item in value.items()) + "}"
    raise BadValue(f"{'.'.join(str(part) for part in path)}: TOML has no way to write {value!r}")
