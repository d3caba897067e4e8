# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the original's file: INI with values that it gave to Python's eval(). Here nothing is ever executed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

TRUE, FALSE = ("y", "yes", "true", "on", "1"), ("n", "no", "false", "off", "0")
_SECTION = re.compile(r"\[([^\]]*)\]\s*(?:[#;].*)?\Z")
_ENTRY = re.compile(r"([^=:]*?)\s*[=:]\s*(.*)\Z", re.DOTALL)
_QUOTED = re.compile(r"""(["'])((?:\\.|(?!\1).)*)\1\s*(?:[#;].*)?\Z""", re.DOTALL)
_ESCAPE = re.compile(r"""\\([\\"'])""")
_NUMBER = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9})?\Z")


@dataclass(frozen=True)
class Line:
    """One key, its raw value and where it stands; ``key`` is "" for a line that is no key."""

    number: int
    section: str
    key: str
    value: str


def read(text: str) -> Iterator[Line]:
    """Yield the keys of a file in its order. Any text can be read: what is no key is a line without one."""
    section = ""
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if not line or line[0] in "#;":
            continue
        header = _SECTION.match(line)
        if header:
            section = header.group(1).strip()
            continue
        entry = _ENTRY.match(line)
        if entry and entry.group(1):
            yield Line(number, section, unquoted(entry.group(1)), entry.group(2).strip())
        else:
            yield Line(number, section, "", line)


def unquoted(value: str) -> str:
    """Return a value without its quotes, or without the comment behind it.

    Of a string's escapes only those of quotes and of the backslash itself are undone: a regular expression means the
    others.
    """
    match = _QUOTED.match(value)
    if match:
        return _ESCAPE.sub(r"\1", match.group(2))
    return re.split(r"(?:\A|\s)[#;]", value, maxsplit=1)[0].strip()


def flag(value: str) -> bool | None:
    """Return y or n as a truth value; None for anything else."""
    word = unquoted(value).lower()
    return True if word in TRUE else False if word in FALSE else None


def number(value: str) -> float | None:
    """Return a number that is not negative; None for anything else."""
    word = unquoted(value)
    if not _NUMBER.match(word) or not word.isascii():
        return None
    return float(word) if "." in word else int(word)


def words(value: str) -> list[str]:
    """Return a list such as ["a", "b"], or words with commas or blanks between them."""
    inner = unquoted(value).strip().strip("[]()")
    return [word for word in (unquoted(part.strip()) for part in re.split(r"[,\s]+", inner)) if word]
