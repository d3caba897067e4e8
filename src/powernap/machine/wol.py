# SPDX-License-Identifier: GPL-3.0-or-later
"""Arm network cards for Wake-on-LAN by magic packet, through ethtool(8), and verify it.

Some drivers leave the device's own switch off (Documentation/ABI/testing/sysfs-devices-power): it is set, too.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from powernap.machine import hands
from powernap.shared.errors import PowernapError

MAGIC = "g"
Run = Callable[..., Any]


class NotArmed(PowernapError):
    """A card that would not wake this machine."""


@dataclass(frozen=True)
class WakeOn:
    """Letters as ethtool has them (p u m b a g s d); empty where the card knows nothing of Wake-on-LAN."""

    supported: str
    armed: str


def parse(text: str) -> WakeOn:
    """Return what the output of ``ethtool DEV`` says."""
    found = dict(re.findall(r"^\s*(Supports Wake-on|Wake-on):\s*(\w*)\s*$", text, re.MULTILINE))
    return WakeOn(found.get("Supports Wake-on", ""), found.get("Wake-on", ""))


def arm(card: str, run: Run = subprocess.run, root: Path = Path("/")) -> bool:
    """Arm a card, keeping what else wakes it; tell whether that changed anything. Blocks. Raises NotArmed."""
    before = _read(card, run)
    if MAGIC not in before.supported:
        says = f"it supports only {before.supported}" if before.supported else "it supports none"
        raise NotArmed(
            f"{card} cannot be woken by magic packet ({says}): enable Wake-on-LAN in the firmware, name another "
            "interface in nap.interfaces, or set nap.require_wake_on_lan = false"
        )
    if MAGIC in before.armed:
        return _let_wake(card, root)
    _ethtool(run, "-s", card, "wol", before.armed.replace("d", "") + MAGIC)
    after = _read(card, run)
    if MAGIC not in after.armed:
        raise NotArmed(
            f"{card} does not keep its Wake-on-LAN setting (it says {after.armed or 'nothing'}): see what else sets "
            "it, or set nap.require_wake_on_lan = false"
        )
    _let_wake(card, root)
    return True


def _let_wake(card: str, root: Path) -> bool:
    """Turn the device's own switch on, where it has one that is off; tell whether it did. Raises NotArmed."""
    switch = root / "sys/class/net" / card / "device/power/wakeup"
    try:
        if switch.read_text().strip() != "disabled":
            return False
    except OSError:
        return False
    try:
        if hands.needed():
            hands.ask("wake-switch", path=str(switch.resolve()))
        else:
            switch.write_text("enabled")
    except (OSError, hands.HandsError) as error:
        raise NotArmed(
            f"{card} may not wake this machine: {switch} cannot be set to enabled "
            f"({getattr(error, 'strerror', None) or error}): set it by a rule of udev, or set "
            "nap.require_wake_on_lan = false"
        ) from None
    return True


def _read(card: str, run: Run) -> WakeOn:
    return parse(_ethtool(run, card))


def _ethtool(run: Run, *arguments: str) -> str:
    try:
        done = run(["ethtool", *arguments], capture_output=True, text=True, timeout=10, check=False)
    except FileNotFoundError as error:
        raise NotArmed("Wake-on-LAN cannot be armed without ethtool: install the package ethtool") from error
    except (OSError, subprocess.SubprocessError) as error:
        raise NotArmed(f"ethtool {' '.join(arguments)} failed: {error}") from error
    # without Wake-on-LAN it may fail for a part of its output, and print the rest
    if done.returncode != 0 and (arguments[0] == "-s" or "Settings for" not in done.stdout):
        said = (done.stderr or done.stdout).strip().splitlines()
        raise NotArmed(f"ethtool {' '.join(arguments)} failed: {said[-1] if said else done.returncode}")
    return str(done.stdout)
