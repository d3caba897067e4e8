# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which hosts a lab has: read from a TOML file, checked, and explained where it is wrong."""

from __future__ import annotations

import pathlib
import re
from dataclasses import dataclass, field

from . import image
from .errors import LabError

WOL_STATES = ("g", "d", "none")
CONTAINERS = ("lxc", "docker", "podman", "systemd-nspawn", "container-other")
DEFAULT = pathlib.Path(__file__).resolve().parents[2] / "topologies" / "datacenter.toml"
_NAME = re.compile(r"[a-z][a-z0-9-]{0,14}\Z")


@dataclass(frozen=True)
class HostSpec:
    name: str
    number: int
    """Last part of the addresses and of the MAC, 1-250."""
    groups: tuple = ()
    distribution: str = image.DEFAULT
    virtual: str = "none"
    """What systemd-detect-virt prints on it; "none" is a physical machine."""
    wol: str = "d"
    """Wake-on setting of its NIC at first boot, as in ethtool; "none": a NIC that cannot wake."""
    battery: bool = False
    resume_delay: float = 0.0
    """Seconds from the magic packet to the running system."""
    services: tuple = ()
    """systemd units of the image that are enabled on it."""
    files: dict = field(default_factory=dict)

    @property
    def ipv4(self) -> str:
        return f"198.18.0.{self.number}"

    @property
    def ipv6(self) -> str:
        return f"fd4c::{self.number:x}"

    @property
    def mac(self) -> str:
        return f"02:4c:00:00:00:{self.number:02x}"

    @property
    def is_container(self) -> bool:
        return self.virtual in CONTAINERS


@dataclass(frozen=True)
class Topology:
    path: pathlib.Path
    hosts: dict


_KEYS = {
    "number": int,
    "groups": list,
    "distribution": str,
    "virtual": str,
    "wol": str,
    "battery": bool,
    "resume_delay": (int, float),
    "services": list,
    "files": dict,
}


def load(path=None) -> Topology:
    """Raises LabError that names file, host and key."""
    import tomllib  # here, since everything else in the lab runs on Python 3.9 too

    path = pathlib.Path(path or DEFAULT)
    try:
        data = tomllib.loads(path.read_text())
    except OSError as error:
        raise LabError(f"{path}: cannot be read: {error.strerror}.") from None
    except tomllib.TOMLDecodeError as error:
        raise LabError(f"{path}: is not TOML: {error}.") from None
    tables = data.pop("hosts", None)
    if data:
        raise LabError(
            "{}: unknown key {}; a topology has only [hosts.NAME] tables.".format(path, ", ".join(sorted(data)))
        )
    if not isinstance(tables, dict) or not tables:
        raise LabError(f"{path}: has no host; add a table [hosts.NAME].")
    hosts = {name: _host(path, name, table) for name, table in tables.items()}
    by_number: dict = {}
    for spec in hosts.values():
        other = by_number.setdefault(spec.number, spec.name)
        if other != spec.name:
            raise LabError(f"{path}: hosts.{spec.name}.number: {spec.number} is {other}'s already.")
    return Topology(path, hosts)


def _host(path: pathlib.Path, name: str, table) -> HostSpec:
    def wrong(key: str, what: str):
        return LabError("{}: hosts.{}{}: {}.".format(path, name, "." + key if key else "", what))

    if not _NAME.match(name) or name in ("ctl", "all"):
        raise wrong("", "not a host name; use 1-15 of a-z, 0-9 and -, not ctl or all")
    if not isinstance(table, dict):
        raise wrong("", "must be a table")
    for key, value in table.items():
        if key not in _KEYS:
            raise wrong(key, "unknown key; known are " + ", ".join(_KEYS))
        if not isinstance(value, _KEYS[key]) or (isinstance(value, bool) and _KEYS[key] is not bool):
            raise wrong(key, f"{value!r} is of the wrong type")
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}
    if not 1 <= values.get("number", 0) <= 250:
        raise wrong("number", "must be given, from 1 to 250")
    if values.get("distribution", image.DEFAULT) not in image.DISTRIBUTIONS:
        raise wrong("distribution", "{!r} is none of {}".format(values["distribution"], ", ".join(image.DISTRIBUTIONS)))
    if values.get("wol", "d") not in WOL_STATES:
        raise wrong("wol", "{!r} is none of {}".format(values["wol"], ", ".join(WOL_STATES)))
    if values.get("resume_delay", 0) < 0:
        raise wrong("resume_delay", "must not be negative")
    for key in ("groups", "services"):
        if not all(isinstance(item, str) for item in values.get(key, ())):
            raise wrong(key, "must be a list of names")
    for where, text in values.get("files", {}).items():
        if not where.startswith("/") or not isinstance(text, str):
            raise wrong("files", f"{where!r} must be an absolute path with its text")
    return HostSpec(name=name, **values)
