# SPDX-License-Identifier: GPL-3.0-or-later
"""Write a sample configuration: every key with its meaning and its default, commented out."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from powernap.config.catalogue import Catalogue, Entry, Named, limits, shown, words, written
from powernap.shared.schema import Option

WIDTH = 100


def sample(catalogue: Catalogue) -> str:
    """Return the file. Lines that begin with "#" and no blank are configuration; without the "#" all of it is valid."""
    lines = _prose(
        f"{catalogue.file}: every key, with its default or, where there is none, an example. "
        "A line that begins with # and no blank holds a key: remove the # to set it."
    )
    if catalogue.profiles:
        lines += ["", *_prose("Profiles to begin with: 'powernap profile list' names them."), '#include = ["base"]']
    for section in catalogue.sections:
        lines += ["", *_prose(section.summary), f"[{section.name}]", *_options(section.options)]
    for named in catalogue.named:
        lines += ["", *_prose(named.summary)]
        lines += _kinds(named) if named.kinds else [f"#[{named.name}.example]", *_options(named.common)]
    return "\n".join(lines) + "\n"


def _kinds(named: Named) -> Iterator[str]:
    for number, kind in enumerate(named.kinds):
        yield from ["", *_prose(_sentence(kind))]
        yield f"#[{named.name}.{kind.name}]"
        yield f'#kind = "{kind.name}"'
        # what all kinds have is said once
        yield from _options((*(named.common if number == 0 else ()), *kind.options))


def _sentence(kind: Entry) -> str:
    return f"{kind.name}: {kind.summary}" + ("" if kind.summary.endswith(".") else ".")


def _options(options: tuple[Option, ...]) -> Iterator[str]:
    for option in options:
        value = shown(option)
        notes = [limits(option) or words(option), option.unit]
        if option.sample is not None:
            notes.append("default: " + written(option, option.default).partition(" = ")[2])
        if option.example is not None and option.example != value:
            notes.append("such as " + written(option, option.example).partition(" = ")[2])
        yield from _prose(f"{option.description} ({', '.join(note for note in notes if note)})")
        if value is not None:
            yield "#" + written(option, value)


def _prose(text: str) -> list[str]:
    return [f"# {line}" for line in textwrap.wrap(text, WIDTH - 2, break_long_words=False, break_on_hyphens=False)]
