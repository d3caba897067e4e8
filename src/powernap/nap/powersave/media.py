# SPDX-License-Identifier: GPL-3.0-or-later
"""How a knob is read and written: mostly a file of the kernel, else a device that has no file for it."""

from __future__ import annotations

import asyncio
import errno
import os
import re
from pathlib import Path
from typing import Protocol

from powernap.machine import ethtool, outside

PROGRAM_SECONDS = 5.0


class Medium(Protocol):
    """``path`` is what a knob's pattern found. Both raise OSError."""

    def read(self, path: Path) -> str:
        pass

    def write(self, path: Path, value: str) -> None:
        pass


class File:
    """Of "a [b] c", the kernel's way to show a choice, b is what the file holds."""

    def read(self, path: Path) -> str:
        text = path.read_text(errors="replace").strip()
        chosen = [word for word in text.split() if word.startswith("[") and word.endswith("]")]
        return chosen[0][1:-1] if chosen else text

    def write(self, path: Path, value: str) -> None:
        """In one write(2), as the kernel wants it; an empty value is a newline. Nothing is made that is not there."""
        stream = os.open(path, os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC)
        try:
            os.write(stream, value.encode() or b"\n")
        finally:
            os.close(stream)


class Eee:
    """Energy-Efficient Ethernet, "on" or "off"; ``path``: /sys/class/net/X/device."""

    def read(self, path: Path) -> str:
        return "on" if ethtool.eee(path.parent.name) else "off"

    def write(self, path: Path, value: str) -> None:
        ethtool.set_eee(path.parent.name, value == "on")


class LinkModes:
    """The speeds that a NIC offers its partner, as a hexadecimal mask; ``path``: /sys/class/net/X/device."""

    def read(self, path: Path) -> str:
        return f"{ethtool.link(path.parent.name).advertised:#x}"

    def write(self, path: Path, value: str) -> None:
        ethtool.advertise(path.parent.name, int(value, 16))


class Queues:
    """A NIC's queues as "rx tx other combined"; ``path``: /sys/class/net/X/device."""

    def read(self, path: Path) -> str:
        return " ".join(str(count) for count in ethtool.queues(path.parent.name))

    def write(self, path: Path, value: str) -> None:
        ethtool.set_queues(path.parent.name, tuple(int(word) for word in value.split()))


class WifiPowerSave:
    """Power save of a Wi-Fi card by iw(8), "on" or "off"; ``path``: /sys/class/net/X/phy80211."""

    def read(self, path: Path) -> str:
        found = re.search(r"Power save: (on|off)", _run("iw", "dev", path.parent.name, "get", "power_save"))
        if found is None:
            raise OSError(errno.EOPNOTSUPP, "iw does not tell the power save")
        return found[1]

    def write(self, path: Path, value: str) -> None:
        _run("iw", "dev", path.parent.name, "set", "power_save", value)


class DiskApm:
    """A disk's Advanced Power Management by hdparm(8), "1" to "254" or "off"; ``path``: /sys/block/X/device."""

    def read(self, path: Path) -> str:
        found = re.search(r"APM_level\s*=\s*(\d+|off)", _run("hdparm", "-B", f"/dev/{path.parent.name}"))
        if found is None:
            raise OSError(errno.EOPNOTSUPP, "the disk has no power management")
        return found[1]

    def write(self, path: Path, value: str) -> None:
        _run("hdparm", "-B", "255" if value == "off" else value, f"/dev/{path.parent.name}")


class FrameBuffer(File):
    """fb*/blank, which the kernel lets nobody read (fbsysfs.c): taken for lit before, and for obeyed after."""

    def __init__(self) -> None:
        self._written: dict[Path, str] = {}

    def read(self, path: Path) -> str:
        path.stat()
        return self._written.get(path, "0")

    def write(self, path: Path, value: str) -> None:
        super().write(path, value)
        self._written[path] = value


MEDIA: dict[str, Medium] = {
    "file": File(),
    "eee": Eee(),
    "link-modes": LinkModes(),
    "queues": Queues(),
    "wifi": WifiPowerSave(),
    "apm": DiskApm(),
    "frame-buffer": FrameBuffer(),
}


def _run(*argv: str) -> str:
    """Run a program from the board's thread, which has no event loop. Raises OSError."""
    try:
        done = asyncio.run(outside.run(argv, seconds=PROGRAM_SECONDS))
    except outside.ProgramError as error:
        raise OSError(errno.EIO, str(error)) from None
    if done.status != 0:
        raise OSError(errno.EIO, f"{argv[0]} {done.complaint()}")
    return done.output
