# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers by their control groups, and the names that people gave them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from powernap.machine import cgroups, hands

#: How each names its groups: by systemd's scopes and services, or (cgroupfs) by folders of its own.
PATTERNS = {
    "docker": (r"docker-(?P<id>[0-9a-f]{64})\.scope", r"(?P<id>[0-9a-f]{64})"),
    "podman": (r"libpod-(?P<id>[0-9a-f]{64})(\.scope)?",),
    "kubernetes": (r"(?:crio|cri-containerd)-(?P<id>[0-9a-f]{64})\.scope",),
    "lxc": (r"lxc\.payload\.(?P<name>.+)",),
    "nspawn": (r"systemd-nspawn@(?P<name>.+)\.service", r"machine-(?!qemu)(?P<name>.+)\.scope"),
}
_PATTERNS = [(engine, re.compile(pattern)) for engine, patterns in PATTERNS.items() for pattern in patterns]
#: Folders that hold containers' groups where cgroupfs, not systemd, is the manager; and users' own managers.
FOLDERS = re.compile(r".+\.slice|user@\d+\.service|docker|libpod_parent|kubepods|lxc|buildkit")
DOCKER = "var/lib/docker/containers"
_names: dict[str, str] = {}  #: as powernap-hands told them
PODMAN = "var/lib/containers/storage/overlay-containers/containers.json"


@dataclass(frozen=True)
class Container:
    """``name``: as people gave it, else the first 12 digits of ``id``."""

    engine: str
    name: str
    group: Path


def find(root: Path = Path("/")) -> tuple[list[Container], tuple[Path, ...]]:
    """Return the containers and the folders in which further ones would appear. Raises OSError."""
    top = cgroups.top(root)
    found, places = [], [top]
    names: dict[str, str] = {}
    for group, entered in cgroups.below(top, lambda name: FOLDERS.fullmatch(name) is not None):
        if entered:
            places.append(group)
        for engine, pattern in _PATTERNS:
            match = pattern.fullmatch(group.name)
            if match is None:
                continue
            parts = match.groupdict()
            name = _unescaped(parts["name"]) if "name" in parts else _name_of(engine, parts["id"], root, names)
            found.append(Container(engine, name, group))
            break
    return found, tuple(places)


def names(root: Path = Path("/")) -> dict[str, str]:
    """Return the names of all containers of Docker and Podman, by their identities."""
    found: dict[str, str] = {}
    for folder in (root / DOCKER).glob("*"):
        found[folder.name] = _name_of("docker", folder.name, root, {})
    known: dict[str, str] = {}
    _name_of("podman", "none", root, known)
    return {**found, **{identity: name for identity, name in known.items() if identity}}


def _name_of(engine: str, identity: str, root: Path, names: dict[str, str]) -> str:
    if hands.needed():
        return _told(identity)
    if engine == "docker":
        try:
            config = json.loads((root / DOCKER / identity / "config.v2.json").read_bytes())
            return str(config["Name"]).lstrip("/")
        except (OSError, ValueError, KeyError, TypeError):
            return identity[:12]
    if engine == "podman" and not names:
        names[""] = ""
        try:
            for item in json.loads((root / PODMAN).read_bytes()):
                names[item["id"]] = item["names"][0]
        except (OSError, ValueError, KeyError, TypeError, IndexError):
            pass  # of a user without root, or another storage driver: the identity will do
    return names.get(identity, identity[:12])


def _told(identity: str) -> str:
    """The engines' files are root's. Blocks at the first look at a container. Raises OSError."""
    if identity not in _names:
        try:
            told = hands.ask("containers")["names"]
        except hands.HandsError as error:
            raise OSError(str(error)) from None
        _names.clear()
        _names.update(told)
        _names.setdefault(identity, identity[:12])
    return _names[identity]


def _unescaped(name: str) -> str:
    """Undo systemd-escape: \\x2d is a hyphen."""
    return re.sub(r"\\x([0-9a-f]{2})", lambda match: chr(int(match[1], 16)), name)
