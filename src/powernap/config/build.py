# SPDX-License-Identifier: GPL-3.0-or-later
"""Turn merged values into typed sections, collecting every problem instead of stopping at the first."""

from collections.abc import Mapping
from typing import Any, TypeVar

from powernap.config.layers import Merged
from powernap.shared.schema import Option, check_table, options_of, suggestion

T = TypeVar("T")


class Builder:
    """Builds the sections of one configuration; ``problems`` holds the sentences, each with its file and key."""

    def __init__(self, merged: Merged) -> None:
        self.merged = merged
        self.problems: list[str] = list(merged.problems)

    def problem(self, dotted: str, sentence: str) -> None:
        """Note a problem with a key. What is missing may be in a profile that could not be included."""
        if self.merged.problems and sentence.startswith("missing"):
            return
        file = self.merged.file_of(dotted)
        self.problems.append(f"{file}: {dotted}: {sentence}" if file else f"{dotted}: {sentence}")

    def only(self, known: tuple[str, ...], sections: Mapping[str, type]) -> None:
        """Refuse top-level tables that nobody reads, and keys of a section that stand outside of it."""
        for key, value in self.merged.values.items():
            if key not in known:
                near = suggestion(key, known) if isinstance(value, Mapping) else _home(key, sections)
                self.problem(key, "no such section" + (near or f"; sections: {', '.join(known)}"))

    def table(self, dotted: str, options: tuple[Option, ...], values: Any) -> dict[str, Any]:
        """Return the accepted values of one table."""
        if not isinstance(values, Mapping):
            self.problem(dotted, f"{values!r} is not a table: write [{dotted}] and its keys below it")
            values = {}
        accepted, problems = check_table(values, options)
        for key, sentence in problems:
            self.problem(f"{dotted}.{key}", sentence)
        return accepted

    def section(self, name: str, cls: type[T]) -> T:
        """Return a section as its dataclass, defaults filled in."""
        return cls(**self.table(name, options_of(cls), self.merged.values.get(name, {})))


def _home(key: str, sections: Mapping[str, type]) -> str:
    """Return in which section somebody may have meant to set a key, as ``suggestion`` does."""
    homes: dict[str, str] = {}
    for name, cls in sections.items():
        for option in options_of(cls):
            homes.setdefault(option.name, name)
    near = key if key in homes else suggestion(key, homes).partition("mean ")[2].rstrip("?")
    return f"; did you mean {near} below [{homes[near]}]?" if near else ""
