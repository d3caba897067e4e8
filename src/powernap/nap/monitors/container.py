# SPDX-License-Identifier: GPL-3.0-or-later
"""Active while a container runs."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from powernap.machine import containers
from powernap.nap.monitors.groups import Found, GroupMonitor
from powernap.shared.schema import Option


class ContainerMonitor(GroupMonitor):
    """Containers are known by their control groups, names by the engines' own files: no engine is asked.

    A container that runs but does nothing counts; for one's CPU use there is the monitor "cgroup".
    """

    kind = "container"
    summary = "a container runs (Docker, Podman, Kubernetes, LXC, Incus, systemd-nspawn)"
    options = (
        Option("names", "strs", ("*",), "names of the containers that count; * stands for many", example=["build-*"]),
        Option("ignore", "strs", (), "names of those that do not count", example=["registry", "*-exporter"]),
        Option(
            "engines",
            "strs",
            (),
            f"only containers of these engines ({', '.join(containers.PATTERNS)}); empty: of all",
            choices=tuple(containers.PATTERNS),
            example=["docker"],
        ),
    )

    def __init__(self, name: str, values: Mapping[str, Any], root: Path = Path("/")) -> None:
        super().__init__(name, values, root)
        self._names = tuple(values.get("names", ("*",)))
        self._ignore = tuple(values.get("ignore", ()))
        self._engines = tuple(values.get("engines", ())) or tuple(containers.PATTERNS)

    def find(self) -> Found:
        found, places = containers.find(self.root)
        groups = {item.group: f"{item.engine} {item.name}" for item in found if self._counts(item)}
        return Found(groups, places)

    def _counts(self, item: containers.Container) -> bool:
        if item.engine not in self._engines or any(fnmatchcase(item.name, pattern) for pattern in self._ignore):
            return False
        return any(fnmatchcase(item.name, pattern) for pattern in self._names)

    def none(self, found: Found) -> str:
        return "no container runs" if self._names == ("*",) else f"no container runs that is {', '.join(self._names)}"
