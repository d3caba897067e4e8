# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""PRIVATE to this collection: read TOML, on hosts whose Python cannot (before 3.11), too."""

from __future__ import annotations

import json
import re

try:
    from tomllib import loads as _library
except ImportError:
    try:
        from tomli import loads as _library
    except ImportError:
        _library = None

_BLANK = re.compile(r"[ \t]*")
_BLANK_LINES = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_LINE_END = re.compile(r"[ \t]*(?:#[^\n]*)?(?:\r?\n|\Z)")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_BASIC = re.compile(r'"(?:[^"\\\n]|\\.)*"')
_LITERAL = re.compile(r"'[^'\n]*'")
_PLAIN = re.compile(r"[^\s,#\]}]+")
_INT = re.compile(r"[+-]?(?:0|[1-9](?:_?[0-9])*)\Z")
_FLOAT = re.compile(r"[+-]?(?:0|[1-9](?:_?[0-9])*)(?:\.[0-9](?:_?[0-9])*)?(?:[eE][+-]?[0-9](?:_?[0-9])*)?\Z")


def loads(text):
    """Return the mapping that a TOML text holds. Raises ValueError."""
    return _library(text) if _library else read(text)


def read(text):
    """Return the mapping that a text holds, of those forms of TOML that a configuration of ours uses.

    Not read are dates, texts of several lines, arrays of tables, and numbers that are not decimal. Raises ValueError.
    """
    return _Reader(text).document()


class _Reader:
    def __init__(self, text):
        self.text = text
        self.at = 0

    def document(self):
        root = table = {}
        while self._skip(_BLANK_LINES) < len(self.text):
            if self._found("["):
                table = self._inside(root, self._keys())
                self._expect("]")
            else:
                self._pair(table)
            if not self._take(_LINE_END):
                raise self._wrong("the end of the line")
        return root

    def _pair(self, table):
        *above, key = self._keys()
        table = self._inside(table, above)
        if key in table:
            raise ValueError(f"{key} is given twice")
        self._expect("=")
        self._skip(_BLANK)
        table[key] = self._value()

    def _inside(self, table, keys):
        for key in keys:
            table = table.setdefault(key, {})
            if not isinstance(table, dict):
                raise ValueError(f"{key} is a value and a table")  # noqa: TRY004  # it is the text that is wrong
        return table

    def _keys(self):
        keys = [self._key()]
        while self._found("."):
            keys.append(self._key())
        return keys

    def _key(self):
        self._skip(_BLANK)
        key = self._take(_BARE) or self._string()
        if key is None:
            raise self._wrong("a key")
        self._skip(_BLANK)
        return key

    def _string(self):
        basic = self._take(_BASIC)
        if basic is not None:
            return json.loads(basic, strict=False)  # JSON's escapes are those of TOML that people use
        literal = self._take(_LITERAL)
        return None if literal is None else literal[1:-1]

    def _value(self):
        if self.text.startswith(('"""', "'''"), self.at):
            raise self._wrong("a text of one line")
        text = self._string()
        if text is not None:
            return text
        if self._found("["):
            return self._array()
        if self._found("{"):
            return self._inline_table()
        return self._scalar()

    def _array(self):
        items = []
        while True:
            self._skip(_BLANK_LINES)
            if self._found("]"):
                return items
            items.append(self._value())
            self._skip(_BLANK_LINES)
            if not self._found(","):
                self._expect("]")
                return items

    def _inline_table(self):
        table = {}
        self._skip(_BLANK)
        if self._found("}"):
            return table
        while True:
            self._pair(table)
            self._skip(_BLANK)
            if not self._found(","):
                self._expect("}")
                return table

    def _scalar(self):
        begun = self.at
        word = self._take(_PLAIN) or ""
        if word in ("true", "false"):
            return word == "true"
        if _INT.match(word):
            return int(word.replace("_", ""))
        if _FLOAT.match(word) or word.lstrip("+-") in ("inf", "nan"):
            return float(word.replace("_", ""))
        self.at = begun
        raise self._wrong("a value")

    def _skip(self, pattern):
        self.at = pattern.match(self.text, self.at).end()
        return self.at

    def _take(self, pattern):
        match = pattern.match(self.text, self.at)
        if match:
            self.at = match.end()
        return match and match.group()

    def _found(self, mark):
        there = self.text.startswith(mark, self.at)
        self.at += len(mark) if there else 0
        return there

    def _expect(self, mark):
        if not self._found(mark):
            raise self._wrong(repr(mark))

    def _wrong(self, wanted):
        line = self.text.count("\n", 0, self.at) + 1
        return ValueError(f"line {line}: {wanted} is expected")
