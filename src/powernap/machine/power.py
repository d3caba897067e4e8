# SPDX-License-Identifier: GPL-3.0-or-later
"""Mains or battery, how full, the lid, and other screens: from /sys/class/power_supply, /proc/acpi and /sys/class/drm.

Sources: Documentation/ABI/testing/sysfs-class-power; connectors are named as in drivers/gpu/drm/drm_connector.c.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

#: Connectors of a built-in screen.
BUILT_IN = ("eDP", "LVDS", "DSI", "DPI")
BATTERIES = ("Battery", "UPS")


@dataclass(frozen=True)
class PowerSupply:
    """None: this machine cannot tell, as most desktops and servers cannot."""

    on_battery: bool | None = None
    battery_percent: float | None = None
    lid_closed: bool | None = None
    external_display: bool | None = None

    def completed(self, on_battery: bool | None, lid_closed: bool | None, docked: bool | None) -> PowerSupply:
        """Fill in what logind knows: it hears the lid's switch on machines without /proc/acpi.

        logind says "on external power" and "lid open" where it knows nothing, so its word counts only beside ours.
        """
        return replace(
            self,
            on_battery=on_battery if self.on_battery is None and on_battery else self.on_battery,
            lid_closed=lid_closed if self.lid_closed is None else self.lid_closed,
            external_display=True if docked else self.external_display,
        )


def read(root: Path = Path("/")) -> PowerSupply:
    """Return what the files say; one that cannot be read says nothing."""
    supplies = [_values(folder) for folder in sorted(root.glob("sys/class/power_supply/*"))]
    batteries = [
        supply
        for supply in supplies
        if supply["type"] in BATTERIES and supply["scope"] != "Device" and supply["present"] != "0"
    ]
    mains = [supply for supply in supplies if supply["type"] not in (*BATTERIES, "") and supply["scope"] != "Device"]
    return PowerSupply(
        on_battery=_on_battery(mains, batteries),
        battery_percent=_percent(batteries),
        lid_closed=_lid(root.glob("proc/acpi/button/lid/*/state")),
        external_display=_external(root.glob("sys/class/drm/card*-*/status")),
    )


def _values(folder: Path) -> dict[str, str]:
    """The scope "Device" is a mouse's or a phone's own battery."""
    names = ("type", "scope", "online", "status", "present", "capacity")
    measures = ("energy_now", "energy_full", "charge_now", "charge_full")
    return {name: _text(folder / name) for name in (*names, *measures)}


def _on_battery(mains: list[dict[str, str]], batteries: list[dict[str, str]]) -> bool | None:
    """As systemd's ac-power: mains that are online decide, else a battery that is being discharged."""
    if any(supply["online"] not in ("", "0") for supply in mains):
        return False
    if any(battery["status"] == "Discharging" for battery in batteries):
        return True
    if any(supply["online"] == "0" for supply in mains) and batteries:
        return True
    return False if batteries else None


def _percent(batteries: list[dict[str, str]]) -> float | None:
    for now, full in (("energy_now", "energy_full"), ("charge_now", "charge_full")):
        measured = [(_number(battery[now]), _number(battery[full])) for battery in batteries]
        total = sum(of or 0.0 for _have, of in measured)
        if total and all(have is not None and of is not None for have, of in measured):
            return min(100.0, 100.0 * sum(have or 0.0 for have, _of in measured) / total)
    said = [value for battery in batteries if (value := _number(battery["capacity"])) is not None]
    return sum(said) / len(said) if said else None


def _lid(files: Iterable[Path]) -> bool | None:
    """The file holds "state:      open"."""
    states = [text.split()[-1] for file in files if (text := _text(file))]
    return "closed" in states if states else None


def _external(files: Iterable[Path]) -> bool | None:
    """A connector's folder is named card0-HDMI-A-1."""
    found = [(file.parent.name.split("-", 1)[1], _text(file)) for file in files]
    if not found:
        return None
    return any(state == "connected" and not name.startswith(BUILT_IN) for name, state in found)


def _text(file: Path) -> str:
    try:
        return file.read_text().strip()
    except (OSError, ValueError):
        return ""


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
