# SPDX-License-Identifier: GPL-3.0-or-later
"""A profile in use by order of the wake server, in place of those that the configuration includes; kept on disk."""

from __future__ import annotations

import json
import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path

from powernap.shared.errors import PowernapError

FILE = "profile.json"
_NAME = re.compile(r"\A[A-Za-z0-9][A-Za-z0-9_.-]{0,63}\Z")


@dataclass(frozen=True)
class Override:
    """``since``: wall clock."""

    profile: str
    by: str
    since: float


def check(name: str) -> None:
    """Raises PowernapError where that cannot be a profile's name."""
    if not _NAME.match(name):
        raise PowernapError(f"profile: {name[:80]!r} is no name of a profile")


def read(state_dir: Path) -> Override | None:
    """Return what is in use; None: what the configuration says. A file that cannot be read counts as none."""
    try:
        content = json.loads((state_dir / FILE).read_text(encoding="utf-8"))
        found = Override(str(content["profile"]), str(content["by"]), float(content["since"]))
        check(found.profile)
    except (OSError, ValueError, KeyError, TypeError, PowernapError):
        return None
    return found


def write(state_dir: Path, override: Override | None) -> None:
    """Raises PowernapError."""
    file = state_dir / FILE
    try:
        if override is None:
            file.unlink(missing_ok=True)
            return
        new = file.with_suffix(".new")
        with new.open("w", encoding="utf-8") as stream:
            json.dump(asdict(override), stream)
            stream.flush()
            os.fsync(stream.fileno())
        new.replace(file)
    except OSError as error:
        raise PowernapError(f"{file} cannot be written: {error.strerror}") from error
