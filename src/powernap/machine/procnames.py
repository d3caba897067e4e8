# SPDX-License-Identifier: GPL-3.0-or-later
"""Judge a process by the kernel's name alone, which is all that is known of one that is gone. Pure."""

from __future__ import annotations

import re

#: The kernel keeps 15 bytes of a name.
COMM_BYTES = 15
_CLASS = re.compile(r"\\[AbBdDsSwWZ]|\(\?[^)]*?[:=!)>]|\[[^]]*\]|\{[0-9,]*\}|[(){}|^$*+?]|\s+|\\\s")
_QUOTED = re.compile(r"\\(.)")


class ProgramNames:
    """Which names may belong to a pattern that is meant for command lines.

    Given names decide alone. Else a name belongs if the pattern is found in it, if it is a word of the pattern, or, as
    long as the kernel keeps them, the beginning of one. So "python3 .*backup" lets every python3 count: in doubt the
    machine stays awake.
    """

    def __init__(self, pattern: str, names: tuple[str, ...] = ()) -> None:
        self._given = frozenset(_cut(name) for name in names)
        self._pattern = re.compile(pattern)
        self._words = frozenset(_cut(word) for word in words(pattern))
        self._known: dict[str, bool] = {}

    def may_be(self, comm: str) -> bool:
        """Tell whether a process of that name may be meant."""
        if self._given:
            return comm in self._given
        if comm not in self._known:
            if len(self._known) > 10_000:
                self._known.clear()
            self._known[comm] = comm in self._words or self._pattern.search(comm) is not None
        return self._known[comm]


def words(pattern: str) -> list[str]:
    """Return the literal words of a regular expression: between its operators, blanks and slashes."""
    found = []
    for piece in re.split(r"[/\0]", _CLASS.sub("\0", pattern)):
        text = _QUOTED.sub(r"\1", piece).strip(".")
        if text:
            found.append(text)
    return found


def _cut(name: str) -> str:
    return name.encode()[:COMM_BYTES].decode(errors="replace")
