# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether what a configuration names is on this machine: programs, files, network interfaces."""

from __future__ import annotations

import stat
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path


def file_of(origin: Mapping[str, str], key: str) -> str:
    """Return the file of a key; of one that has its default, that of its table."""
    while key not in origin and "." in key:
        key = key.rpartition(".")[0]
    return origin.get(key, "the configuration")


def program(key: str, path: str, root: Path) -> Iterator[tuple[str, str]]:
    mode = mode_of(root, path)
    if mode is None:
        yield key, f"{path} is missing: install it, or name another program"
    elif not stat.S_ISREG(mode) or not mode & 0o111:
        yield key, f"{path} is no program: run 'chmod +x {path}', or name another"


def interfaces(key: str, wanted: tuple[str, ...], root: Path) -> Iterator[tuple[str, str]]:
    """A pattern may be for what is plugged in later, unless none of them means anything now; a name is meant now."""
    there = sorted(path.name for path in root.glob("sys/class/net/*"))
    missed = [pattern for pattern in wanted if not any(fnmatchcase(name, pattern) for name in there)]
    if len(missed) < len(wanted):
        missed = [pattern for pattern in missed if not set(pattern) & set("*?[")]
    if missed:
        yield key, f"this machine has no interface {' or '.join(missed)}: name one of {', '.join(there) or 'none'}"


def mode_of(root: Path, path: str) -> int | None:
    """Return the mode of a file; None where it is missing. One that cannot be looked at counts as a program."""
    try:
        return (root / path.lstrip("/")).stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError:
        return stat.S_IFREG | 0o111
