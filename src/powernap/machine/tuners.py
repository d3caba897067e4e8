# SPDX-License-Identifier: GPL-3.0-or-later
"""Other programs that tune power: which run, what is theirs and left alone, and what of them turns Wake-on-LAN off."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from powernap.machine.dbus import Bus, BusError

BUS = ("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus")
SYSTEMD = ("org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager")


@dataclass(frozen=True)
class Tuner:
    """``manages``: knobs that are its own while it runs, with *; "" of ``bus_names`` or ``units``: it has none."""

    name: str
    title: str
    bus_names: tuple[str, ...]
    units: tuple[str, ...]
    manages: tuple[str, ...]

    def sentence(self) -> str:
        return f"{self.title} runs: the knobs {', '.join(self.manages)} are its own and left alone"


PROFILES = ("governor", "energy-*", "turbo-*", "platform-profile", "gpu-amd-level")
PROCESSOR = (*PROFILES, "max-*")
LAPTOP = ("sata-*", "disk-*", "dirty-*", "laptop-mode", "nmi-watchdog", "audio*", "usb-*", "wifi-*", "xfs-*")
TUNERS = (
    Tuner(
        "power-profiles-daemon",
        "power-profiles-daemon",
        ("net.hadess.PowerProfiles", "org.freedesktop.UPower.PowerProfiles"),
        ("power-profiles-daemon.service",),
        PROFILES,
    ),
    Tuner(
        "tuned",
        "tuned",
        ("com.redhat.tuned",),
        ("tuned.service",),
        (*PROCESSOR, *LAPTOP, "ethernet-*", "gpu-radeon-state", "ksm"),
    ),
    Tuner("tlp", "TLP", (), ("tlp.service",), (*PROCESSOR, *LAPTOP, "pci*", "gpu-*", "bluetooth")),
    Tuner("laptop-mode-tools", "laptop-mode-tools", (), ("laptop-mode.service",), (*PROCESSOR, *LAPTOP, "pci*")),
    Tuner("auto-cpufreq", "auto-cpufreq", (), ("auto-cpufreq.service",), PROCESSOR),
    Tuner("cpupower", "cpupower", (), ("cpupower.service",), ("governor", "energy-bias", "max-frequency")),
)


async def running(bus: Bus) -> tuple[Tuner, ...]:
    """Return the tuners that run. Raises BusError."""
    (names,) = await bus.call(BUS, "ListNames")
    active: set[str] = set()
    if SYSTEMD[0] in names:
        wanted = [unit for tuner in TUNERS for unit in tuner.units]
        with suppress(BusError):  # a manager without the call: what has a name on the bus is known all the same
            (units,) = await bus.call(SYSTEMD, "ListUnitsByNames", "as", (wanted,))
            active = {unit[0] for unit in units if unit[3] == "active"}
    return tuple(tuner for tuner in TUNERS if not active.isdisjoint(tuner.units) or set(names) & set(tuner.bus_names))


def wol_threats(root: Path = Path("/")) -> list[str]:
    """Return what on this machine turns Wake-on-LAN off, one sentence with the remedy each. Blocks."""
    return [*_pm_utils(root), *_tlp(root), *_links(root), *_tuned(root)]


def _pm_utils(root: Path) -> Iterator[str]:
    """Its power.d scripts run at each pm-powersave; one in /etc that cannot be executed masks the other."""
    masks, shipped = root / "etc/pm/power.d/disable_wol", root / "usr/lib/pm-utils/power.d/disable_wol"
    script = masks if masks.exists() else shipped
    with suppress(OSError):
        if script.stat().st_mode & 0o111:
            yield f"/{script.relative_to(root)} of pm-utils turns Wake-on-LAN off: 'chmod -x' it, or mask it in /etc/pm"


def _tlp(root: Path) -> Iterator[str]:
    """Later files win; TLP itself turns it off unless told otherwise (tlp.conf)."""
    if not (root / "usr/sbin/tlp").exists() and not (root / "usr/bin/tlp").exists():
        return
    files = [root / "usr/share/tlp/defaults.conf", *sorted((root / "etc/tlp.d").glob("*.conf")), root / "etc/tlp.conf"]
    found = [hit for file in files for hit in _settings(file, r"WOL_DISABLE\s*=\s*\"?(\w+)")]
    if not found or found[-1][1].upper() == "Y":
        where = f"by {found[-1][0]}" if found else "by default"
        yield f"TLP turns Wake-on-LAN off {where}: set WOL_DISABLE=N in /etc/tlp.conf"


def _links(root: Path) -> Iterator[str]:
    """systemd.link(5)."""
    for folder in ("etc", "run", "usr/lib"):
        for file in sorted((root / folder / "systemd/network").glob("*.link")):
            if any(value == "off" for _file, value in _settings(file, r"WakeOnLan\s*=\s*(\w+)")):
                yield f"{file} turns Wake-on-LAN off for its cards: set WakeOnLan=magic there"


def _tuned(root: Path) -> Iterator[str]:
    """Its plugin net knows wake_on_lan; only the profile in force counts."""
    for active in (word for file in [root / "etc/tuned/active_profile"] for word in _words(file)):
        for folder in ("etc/tuned/profiles", "etc/tuned", "usr/lib/tuned/profiles", "usr/lib/tuned"):
            for _file, value in _settings(root / folder / active / "tuned.conf", r"wake_on_lan\s*=\s*(\S+)"):
                if value in ("0", "d"):
                    yield f"tuned's profile {active} turns Wake-on-LAN off: set wake_on_lan=g there"


def _words(file: Path) -> list[str]:
    try:
        return file.read_text(errors="replace").split()
    except OSError:
        return []


def _settings(file: Path, pattern: str) -> list[tuple[str, str]]:
    try:
        lines = file.read_text(errors="replace").splitlines()
    except OSError:
        return []
    return [(str(file), hit[1]) for line in lines if (hit := re.match(r"\s*" + pattern, line))]
