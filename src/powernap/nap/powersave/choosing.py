# SPDX-License-Identifier: GPL-3.0-or-later
"""What to write to a knob, if anything. Each function may raise OSError: then the knob is left alone."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from powernap.machine import ethtool, netdevices

#: (file or device, wanted value, present value) -> value to write, or None to leave it alone.
Choose = Callable[[Path, str, str], "str | None"]

MICROWATTS = 1_000_000
USB_CLASS_HID = "03"
#: First byte of a PCI class (linux/pci_ids.h).
PCI_STORAGE, PCI_NETWORK, PCI_DISPLAY = "01", "02", "03"
#: HID devices on Bluetooth are named by that bus: 0005:VENDOR:PRODUCT.NUMBER (linux/input.h).
HID_ON_BLUETOOTH = "0005:*"
#: ETHTOOL_LINK_MODE_*_BIT: 100baseT_Full, and all modes of 10 and 100 Mbit/s.
FAST_ETHERNET = 1 << 3
UP_TO_FAST_ETHERNET = 0xF
#: Bits that are no speed: autonegotiation, ports, pause, back plane.
NO_SPEED = 1 << 6 | 1 << 7 | 1 << 8 | 1 << 9 | 1 << 10 | 1 << 11 | 1 << 13 | 1 << 14 | 1 << 16


def always(_path: Path, wanted: str, _now: str) -> str | None:
    return wanted


def offered(path: Path, wanted: str, _now: str) -> str | None:
    """Where the file itself, as "[a] b", offers it."""
    return wanted if wanted in path.read_text().replace("[", "").replace("]", "").split() else None


def offered_by(beside: str) -> Choose:
    """Where the file ``beside`` it offers it."""

    def choose(path: Path, wanted: str, _now: str) -> str | None:
        return wanted if wanted in path.with_name(beside).read_text().split() else None

    return choose


def only_from(*values: str) -> Choose:
    """Where it holds one of these."""
    return lambda _path, wanted, now: wanted if now in values else None


def unless(*values: str) -> Choose:
    """Where it does not hold one of these, which save as much."""
    return lambda _path, wanted, now: None if now in values else wanted


def raise_to(_path: Path, wanted: str, now: str) -> str | None:
    """Only up."""
    return wanted if int(now) < int(wanted) else None


def stretch(_path: Path, wanted: str, now: str) -> str | None:
    """Only up, and not from 0, which stands for never."""
    return wanted if 0 < int(now) < int(wanted) else None


def lower_to(_path: Path, wanted: str, now: str) -> str | None:
    """Only down."""
    return wanted if int(now) > int(wanted) else None


def value_of(beside: str) -> Choose:
    """What the file ``beside`` it holds, unless the configuration gives a value."""
    return lambda path, wanted, _now: wanted or path.with_name(beside).read_text().strip()


def power_limit(path: Path, wanted: str, now: str) -> str | None:
    """Only down, of whole packages that are limited at all; in microwatts, at most what the package is made for.

    By default half of that. In whole watts, which the register keeps exactly: its unit is one watt over a power of two.
    """
    zone = path.parent
    if not (zone / "name").read_text().startswith("package") or (zone / "enabled").read_text().strip() != "1":
        return None
    most = int((zone / "constraint_0_max_power_uw").read_text())
    limit = min(int(wanted), most or int(wanted)) if wanted else most // 2
    limit -= limit % MICROWATTS
    return str(limit) if 0 < limit < int(now) else None


def usb(path: Path, wanted: str, _now: str) -> str | None:
    """Not keyboards, mice and network adapters, nor the hubs above them."""
    device = path.parent.parent
    return None if carries_network(device) or carries_input(device) else wanted


def usb_delay(path: Path, wanted: str, now: str) -> str | None:
    """Only where a negative one forbids autosuspend (usb.rst)."""
    return usb(path, wanted, now) if now.startswith("-") else None


def pci(path: Path, wanted: str, now: str) -> str | None:
    """Not what the network, the disks or the screen hang on: runtime PM of those is uncertain."""
    if pci_class(path) in (PCI_STORAGE, PCI_DISPLAY):
        return None
    return without_network(path, wanted, now)


def pci_storage_or_display(path: Path, wanted: str, now: str) -> str | None:
    return without_network(path, wanted, now) if pci_class(path) in (PCI_STORAGE, PCI_DISPLAY) else None


def pci_class(path: Path) -> str:
    return (path.parent.parent / "class").read_text().strip().removeprefix("0x")[:2]


def without_network(path: Path, wanted: str, _now: str) -> str | None:
    """Not a NIC, which must be able to wake the machine, nor a bridge or hub above one."""
    device = path.parent.parent
    is_nic = (device / "class").exists() and pci_class(path) == PCI_NETWORK
    return None if is_nic or carries_network(device) else wanted


def never_the_first_cpu(path: Path, wanted: str, _now: str) -> str | None:
    return None if path.parent.name == "cpu0" else wanted


def rotating(path: Path, wanted: str, _now: str) -> str | None:
    """Disks that turn. ``path``: sys/block/X/device or deeper."""
    disk = next(parent for parent in path.parents if parent.parent.name == "block")
    return wanted if (disk / "queue/rotational").read_text().strip() == "1" else None


def rotating_longer(path: Path, wanted: str, now: str) -> str | None:
    return rotating(path, wanted, now) if now != wanted else None


def bluetooth(path: Path, wanted: str, _now: str) -> str | None:
    """Not where a keyboard or mouse is connected by it."""
    root = next(parent for parent in path.parents if parent.name == "sys")
    return None if any((root / "bus/hid/devices").glob(HID_ON_BLUETOOTH)) else wanted


def slower_link(path: Path, wanted: str, _now: str) -> str | None:
    """Offer 100 Mbit/s at most, where both ends can it: else the link would be lost."""
    if wanted:
        return wanted
    link = ethtool.link(path.parent.name)
    both = link.advertised & link.partner & FAST_ETHERNET
    return f"{link.advertised & (UP_TO_FAST_ETHERNET | NO_SPEED):#x}" if link.negotiates and both else None


def fewest_queues(_path: Path, wanted: str, now: str) -> str | None:
    """One of each sort that there is."""
    return wanted or " ".join(str(min(1, int(count))) for count in now.split())


def no_keyboard_light(path: Path, wanted: str, _now: str) -> str | None:
    """The lights of keyboards ("input3::capslock") and NICs belong to those."""
    name = path.parent.name
    return None if name.startswith("input") or carries_network(path.parent / "device") else wanted


def carries_network(device: Path) -> bool:
    """Tell whether a network interface hangs on a device or below it. ``device``: in /sys."""
    return netdevices.carried_by(device)


def carries_input(device: Path) -> bool:
    """Tell whether a USB keyboard or mouse is that device or below it."""
    classes = (Path(folder, "bInterfaceClass") for folder, _names in _below(device))
    return any(file.is_file() and file.read_text().strip() == USB_CLASS_HID for file in classes)


def _below(device: Path) -> Iterator[tuple[str, list[str]]]:
    """Links are not followed: in /sys they lead up and across."""
    for folder, names, _files in os.walk(device.resolve()):
        yield folder, names
