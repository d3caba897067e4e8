# SPDX-License-Identifier: GPL-3.0-or-later
"""What a configuration names and this machine lacks. It may come later, so it is worth a warning, and no error."""

from __future__ import annotations

import stat
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from powernap.config import NapConfig, Section
from powernap.nap import monitors, warnings
from powernap.nap.kinds import Options
from powernap.shared.schema import Option

KEY_REMEDY = "run the site playbook, or 'powerwake register' on the wake server"


def lacking(config: NapConfig, root: Path = Path("/")) -> Iterator[str]:
    """Yield one sentence for each program, file and network interface that is not there: file, key and remedy."""
    for key, sentence in _all(config, root):
        yield f"{_file_of(config.origin, key)}: {key}: {sentence}"


def _file_of(origin: Mapping[str, str], key: str) -> str:
    """Return the file of a key; of one that has its default, that of its table."""
    while key not in origin and "." in key:
        key = key.rpartition(".")[0]
    return origin.get(key, "the configuration")


def _all(config: NapConfig, root: Path) -> Iterator[tuple[str, str]]:
    server = config.server
    if server.url and _mode(root, server.key_file) is None:
        needed = ", and without it there is no nap" if server.required else ""
        yield "server.key_file", f"{server.key_file} is missing{needed}: {KEY_REMEDY}"
    for name, step in config.steps.items():
        if step.action == "exec":
            yield from _program(f"steps.{name}.command", step.command, root)
    for table, sections, kinds in (
        ("monitors", config.monitors, Options(monitors.KINDS)),
        ("warnings", config.warnings, Options(warnings.KINDS)),
    ):
        for section in sections.values():
            for option in kinds[section.kind]:
                yield from _option(f"{table}.{section.name}.{option.name}", section, option, config, root)


def _option(key: str, section: Section, option: Option, config: NapConfig, root: Path) -> Iterator[tuple[str, str]]:
    value: Any = section.values[option.name]
    if option.name == "command":
        yield from _program(key, value[0], root)
    elif option.name == "sendmail":
        if not section.values["server"]:
            yield from _program(key, value, root)
    elif option.name == "interfaces":
        yield from _interfaces(key, value, root)
    elif option.type == "path" and key in config.origin and value and _mode(root, value) is None:
        yield key, f"{value} is missing: write it, or name another file"


def _program(key: str, path: str, root: Path) -> Iterator[tuple[str, str]]:
    mode = _mode(root, path)
    if mode is None:
        yield key, f"{path} is missing: install it, or name another program"
    elif not stat.S_ISREG(mode) or not mode & 0o111:
        yield key, f"{path} is no program: run 'chmod +x {path}', or name another"


def _interfaces(key: str, wanted: tuple[str, ...], root: Path) -> Iterator[tuple[str, str]]:
    """A pattern may be for what is plugged in later, unless none of them means anything now; a name is meant now."""
    there = sorted(path.name for path in root.glob("sys/class/net/*"))
    missed = [pattern for pattern in wanted if not any(fnmatchcase(name, pattern) for name in there)]
    if len(missed) < len(wanted):
        missed = [pattern for pattern in missed if not set(pattern) & set("*?[")]
    if missed:
        yield key, f"this machine has no interface {' or '.join(missed)}: name one of {', '.join(there) or 'none'}"


def _mode(root: Path, path: str) -> int | None:
    """Return the mode of a file; None where it is missing. One that cannot be looked at counts as a program."""
    try:
        return (root / path.lstrip("/")).stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError:
        return stat.S_IFREG | 0o111
