# SPDX-License-Identifier: GPL-3.0-or-later
"""The profiles that there are: the shipped ones, rendered for this machine, and the administrator's own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from powernap.config.layers import PROFILE_DIRS, parse
from powernap.profiles import render
from powernap.shared.errors import PowernapError
from powernap.shared.schema import suggestion

SHIPPED, ADMIN, INSTALLED = "shipped", "admin", "installed"


@dataclass(frozen=True)
class Profile:
    """``file``: where it lies, or will lie once it is applied; ``origin``: shipped, admin or installed."""

    name: str
    origin: str
    file: Path
    summary: str


class Shelf:
    """``admin`` and ``shipped`` are the folders of profiles; the first stands over the second."""

    def __init__(
        self,
        admin: Path = Path(PROFILE_DIRS[0]),
        shipped: Path = Path(PROFILE_DIRS[1]),
        facts: Callable[[], Mapping[str, Any]] = render.host_facts,
    ) -> None:
        self.dirs = (admin, shipped)
        self._ask_facts = facts
        self._templates = render.templates()

    @cached_property
    def facts(self) -> Mapping[str, Any]:
        return self._ask_facts()

    @cached_property
    def profiles(self) -> dict[str, Profile]:
        """Return all of them by name. Raises PowernapError for a file that cannot be read."""
        admin, shipped = self.dirs
        found = {
            name: Profile(name, SHIPPED, shipped / f"{name}.toml", summary(text))
            for name, text in self._templates.items()
        }
        for where, origin in ((shipped, INSTALLED), (admin, ADMIN)):
            for file in where.glob("*.toml"):
                if origin == ADMIN or file.stem not in found:
                    found[file.stem] = Profile(file.stem, origin, file, summary(_read(file)))
        return dict(sorted(found.items()))

    def profile(self, name: str) -> Profile:
        """Return one. Raises PowernapError for a name that is none."""
        if name not in self.profiles:
            near = suggestion(name, self.profiles) or f"; profiles: {', '.join(self.profiles)}"
            raise PowernapError(f"there is no profile {name!r}{near}")
        return self.profiles[name]

    def text(self, name: str) -> str:
        """Return a profile as TOML, rendered for this machine. Raises PowernapError."""
        profile = self.profile(name)
        if profile.origin != SHIPPED:
            return _read(profile.file)
        try:
            return render.render(name, self._templates[name], self.facts)
        except PowernapError:
            if profile.file.is_file():
                return _read(profile.file)  # which the role rendered, where jinja2 is missing
            raise

    def missing(self) -> dict[Path, str]:
        """Return the texts, by file, of the shipped profiles that nobody has written on this machine."""
        absent = [item for item in self.profiles.values() if item.origin == SHIPPED and not item.file.is_file()]
        try:
            return {profile.file: self.text(profile.name) for profile in absent}
        except PowernapError:
            return {}  # without jinja2; who needs one of them is told so

    def with_included(self, names: Iterable[str]) -> dict[Path, str]:
        """Return the texts of these profiles and of those that they include, by file. Raises PowernapError."""
        texts: dict[Path, str] = {}
        waiting = list(names)
        while waiting:
            profile = self.profile(waiting.pop())
            if profile.file not in texts:
                texts[profile.file] = self.text(profile.name)
                include = parse(profile.file, texts[profile.file].encode()).get("include", [])
                waiting += [name for name in include if isinstance(name, str)] if isinstance(include, list) else []
        return texts


def summary(text: str) -> str:
    """Return the first sentence of the comment at the head of a profile."""
    head = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        head.append(line.lstrip("# ").rstrip())
    return " ".join(head).partition(". ")[0].rstrip(".")


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PowernapError(f"{file}: cannot be read: {error}") from error
