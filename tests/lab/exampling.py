# SPDX-License-Identifier: GPL-3.0-or-later
"""The EXAMPLES of the plugins, in the pieces that somebody would copy, each as it is shown.

A piece is a play or a task of a list, an entry of a rulebook's sources, a whole document of an inventory plugin, or a
paragraph of comments that stands alone, whose first line says what the others are for.
"""

from __future__ import annotations

import ast
import functools
from pathlib import Path
from typing import Any, NamedTuple

import yaml

ROOT = Path(__file__).resolve().parents[2]
WITH_EXAMPLES = ("modules", "filter", "inventory")
SOURCE = ROOT / "extensions" / "eda" / "plugins" / "event_source" / "powerwaked.py"


class Piece(NamedTuple):
    """``data``: what YAML makes of it; of comments, None. ``text`` of comments is without their marks."""

    plugin: str
    name: str
    text: str
    data: Any

    @property
    def key(self) -> str:
        return f"{self.plugin}: {self.name}"

    @property
    def is_play(self) -> bool:
        return isinstance(self.data, dict) and "hosts" in self.data

    @property
    def commands(self) -> list[str]:
        """Those of a paragraph of comments that is nothing else."""
        lines = [self.name, *self.text.splitlines()]
        return lines if self.data is None and self.name.startswith("ansible") else []


def plugins() -> dict[str, str]:
    """The EXAMPLES of every plugin that has a documentation, by kind and name, such as modules/awake."""
    files = [path for kind in WITH_EXAMPLES for path in sorted((ROOT / "plugins" / kind).glob("*.py"))]
    found = {f"{path.parent.name}/{path.stem}": _examples(path) for path in [*files, SOURCE]}
    return {name: text for name, text in found.items() if text is not None}


def _examples(path: Path) -> str | None:
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and [getattr(each, "id", "") for each in node.targets] == ["EXAMPLES"]:
            text: str = ast.literal_eval(node.value)
            return text
    return None


@functools.cache
def pieces() -> list[Piece]:
    return [piece for plugin, text in plugins().items() for piece in _pieces(plugin, text)]


def _pieces(plugin: str, text: str) -> list[Piece]:
    found = []
    for paragraph in _paragraphs(text):
        data = yaml.safe_load(paragraph)
        first, _newline, rest = paragraph.partition("\n")
        if data is None:
            lines = [line.removeprefix("#").removeprefix(" ") for line in paragraph.splitlines()]
            found.append(Piece(plugin, lines[0], "".join(f"{line}\n" for line in lines[1:]), None))
        elif isinstance(data, list):
            assert len(data) == 1, f"{plugin}: an empty line between examples"
            found.append(Piece(plugin, str(data[0].get("name", "")), paragraph, data[0]))
        else:
            assert first.startswith("# "), f"{plugin}: a document whose first line says what it is for"
            found.append(Piece(plugin, first.removeprefix("# "), rest.removeprefix("---\n"), data))
    return found


def _paragraphs(text: str) -> list[str]:
    """What begins in the first column after an empty line."""
    found: list[str] = []
    for paragraph in text.strip("\n").split("\n\n"):
        if found and paragraph.startswith(" "):
            found[-1] += f"\n{paragraph.rstrip()}\n"
        else:
            found.append(f"{paragraph.rstrip()}\n")
    return found


def indented(text: str, spaces: int) -> str:
    return "".join(f"{' ' * spaces}{line}" if line.strip() else line for line in text.splitlines(keepends=True))
