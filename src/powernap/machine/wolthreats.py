# SPDX-License-Identifier: GPL-3.0-or-later
"""What on this machine turns Wake-on-LAN off behind one's back, one sentence with the remedy each.

Other tuners are in tuners.py; here are NetworkManager (nm-settings(5), NetworkManager.conf(5)) and powertop.
"""

from __future__ import annotations

import configparser
import fnmatch
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from powernap.machine import hands
from powernap.machine.tuners import wol_threats

CONNECTIONS = ("etc/NetworkManager/system-connections", "run/NetworkManager/system-connections")
CONFIGURATION = ("usr/lib/NetworkManager/conf.d/*.conf", "etc/NetworkManager/NetworkManager.conf")
LATER_CONFIGURATION = ("etc/NetworkManager/conf.d/*.conf",)
#: NMSettingWiredWakeOnLan: 1 is "as NetworkManager.conf says", 0x8000 "leave it as it is", 0x40 the magic packet.
DEFAULT, IGNORE, MAGIC = 0x1, 0x8000, 0x40
WORDS = {"default": DEFAULT, "ignore": IGNORE, "magic": MAGIC, "none": 0}


def find(root: Path = Path("/")) -> tuple[str, ...]:
    """Return all threats. Blocks."""
    if hands.needed():
        with suppress(hands.HandsError):
            return tuple(str(sentence) for sentence in hands.ask("threats")["threats"])
    return (*wol_threats(root), *_network_manager(root), *_powertop(root))


def _network_manager(root: Path) -> Iterator[str]:
    if not (root / "usr/sbin/NetworkManager").exists():
        return
    for pattern in (*CONFIGURATION, *LATER_CONFIGURATION):
        for file in sorted(root.glob(pattern)):
            parsed = _parse(file)
            for section in parsed.sections():
                said = parsed[section].get("ethernet.wake-on-lan", "")
                if fnmatch.fnmatchcase(section, "connection*") and _turns_off(said):
                    yield f"{_shown(file, root)} turns Wake-on-LAN off: set ethernet.wake-on-lan=64 in [{section}]"
    for folder in CONNECTIONS:
        for file in sorted((root / folder).glob("*")):
            parsed = _parse(file)
            for section in ("ethernet", "802-3-ethernet"):
                if parsed.has_section(section) and _turns_off(parsed[section].get("wake-on-lan", "")):
                    name = parsed.get("connection", "id", fallback=file.name)
                    yield (
                        f"NetworkManager's connection {name} turns Wake-on-LAN off: "
                        f"nmcli connection modify '{name}' 802-3-ethernet.wake-on-lan magic"
                    )


def _turns_off(said: str) -> bool:
    """Tell whether a setting keeps the magic packet from waking the machine."""
    said = said.strip().lower()
    if not said:
        return False
    try:
        flags = WORDS[said] if said in WORDS else int(said, 0)
    except ValueError:
        return False
    return not flags & (DEFAULT | IGNORE | MAGIC)


def _parse(file: Path) -> configparser.ConfigParser:
    """Return a keyfile's content; of one that cannot be read, nothing."""
    parser = configparser.ConfigParser(interpolation=None, strict=False, delimiters=("=",))
    try:
        parser.read_string(file.read_text(errors="replace"))
    except (OSError, configparser.Error):
        return configparser.ConfigParser()
    return parser


def _powertop(root: Path) -> Iterator[str]:
    """`powertop --auto-tune` turns Wake-on-LAN off on all cards."""
    for folder in ("etc/systemd/system", "usr/lib/systemd/system"):
        for file in sorted((root / folder).glob("*.wants/powertop*.service")):
            yield f"powertop's service turns Wake-on-LAN off ({_shown(file, root)}): disable it"


def _shown(file: Path, root: Path) -> str:
    return f"/{file.relative_to(root)}"
