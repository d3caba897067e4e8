# SPDX-License-Identifier: GPL-3.0-or-later
"""What woke this machine: /sys/power/pm_wakeup_irq, and which wake-up sources counted an event meanwhile.

Sources: Documentation/ABI/testing/sysfs-power, sysfs-class-wakeup.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

#: Names of ACPI devices (ACPI specification, section 5.6.7; linux/drivers/acpi/button.c).
ACPI = {
    "PNP0C0C": "power button",
    "PNP0C0D": "lid",
    "PNP0C0E": "sleep button",
    "PNP0B00": "clock",
    "PNP0303": "keyboard",
}

Counts = Mapping[str, int]


def snapshot(root: Path = Path("/")) -> dict[str, int]:
    """Return the events counted so far, by the source's folder name."""
    return {folder.name: _number(folder / "event_count") for folder in root.glob("sys/class/wakeup/*")}


def cause(before: Counts, root: Path = Path("/")) -> str:
    """Return what woke the machine since ``before``, as far as the kernel tells; "" where it does not."""
    woken = []
    for name, count in sorted(snapshot(root).items()):
        if count > before.get(name, 0):
            woken.append(describe(root / "sys/class/wakeup" / name))
    interrupt = _text(root / "sys/power/pm_wakeup_irq")
    if interrupt:
        woken.append(f"interrupt {interrupt} ({interrupt_name(interrupt, _text(root / 'proc/interrupts'))})")
    return ", ".join(dict.fromkeys(woken))


def active(root: Path = Path("/")) -> str:
    """Return the wake-up sources that are active now."""
    folders = sorted(root.glob("sys/class/wakeup/*"))
    return ", ".join(describe(folder) for folder in folders if _number(folder / "active_time_ms") > 0)


def describe(folder: Path) -> str:
    """Return a wake-up source for people: the network card, the button, else the kernel's name."""
    device = folder / "device"
    cards = sorted(card.name for card in device.glob("net/*"))
    if cards:
        return f"network card {', '.join(cards)}"
    name = _text(folder / "name") or folder.name
    for identifier, what in ACPI.items():
        if identifier in name or identifier in device.resolve().name:
            return what
    return name


def interrupt_name(number: str, interrupts: str) -> str:
    """Return who handles an interrupt, of the text of /proc/interrupts."""
    lines = interrupts.splitlines()
    processors = len(lines[0].split()) if lines else 0
    for line in lines[1:]:
        label, _colon, rest = line.partition(":")
        if label.strip() == number:
            words = rest.split()[processors:]
            return " ".join(words[2:] or words) or "nobody"
    return "unknown"


def _number(file: Path) -> int:
    text = _text(file)
    return int(text) if text.isdigit() else 0


def _text(file: Path) -> str:
    try:
        return file.read_text().rstrip()
    except (OSError, ValueError):  # ENODATA: no interrupt woke it
        return ""
