# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that the configuration names and that may be root's alone, such as this machine's key."""

from __future__ import annotations

import errno
from pathlib import Path

from powernap.machine import hands


def read(option: str, file: str) -> str:
    """Return the text, by powernap-hands where only root may read it. Raises OSError."""
    try:
        return Path(file).read_text(encoding="ascii", errors="replace")
    except PermissionError:
        if not hands.needed() or not hands.there():
            raise
    try:
        answer = hands.ask("read", what=option)
    except hands.HandsError as error:
        raise OSError(errno.EACCES, str(error)) from None
    if answer.get("errno"):
        raise OSError(answer["errno"], answer["strerror"])
    return str(answer["text"])


def drop(option: str, file: str) -> None:
    """Remove the file, if it is there. Raises OSError, HandsError."""
    try:
        Path(file).unlink(missing_ok=True)
    except OSError:
        if not hands.needed():
            raise
        hands.ask("drop", what=option)
