# SPDX-License-Identifier: GPL-3.0-or-later
"""What a configuration names and this machine lacks. It may come later, so it is worth a warning, and no error."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from powernap.config import NapConfig, Section
from powernap.config.there import file_of, interfaces, mode_of, program
from powernap.nap import monitors, warnings
from powernap.nap.kinds import Options
from powernap.shared.schema import Option

KEY_REMEDY = "run the site playbook, or 'powerwake register' on the wake server"


def lacking(config: NapConfig, root: Path = Path("/")) -> Iterator[str]:
    """Yield one sentence for each program, file and network interface that is not there: file, key and remedy."""
    for key, sentence in _all(config, root):
        yield f"{file_of(config.origin, key)}: {key}: {sentence}"


def _all(config: NapConfig, root: Path) -> Iterator[tuple[str, str]]:
    server = config.server
    if server.where and mode_of(root, server.key_file) is None:
        needed = ", and without it there is no nap" if server.required else ""
        yield "server.key_file", f"{server.key_file} is missing{needed}: {KEY_REMEDY}"
    for name, step in config.steps.items():
        if step.action == "exec":
            yield from program(f"steps.{name}.command", step.command, root)
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
        yield from program(key, value[0], root)
    elif option.name == "sendmail":
        if not section.values["server"]:
            yield from program(key, value, root)
    elif option.name == "interfaces":
        yield from interfaces(key, value, root)
    elif option.type == "path" and key in config.origin and value and mode_of(root, value) is None:
        yield key, f"{value} is missing: write it, or name another file"
