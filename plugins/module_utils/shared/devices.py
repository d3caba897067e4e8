# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a machine is made of and made for, from files: nothing is run, and nothing that is asleep is woken."""

from __future__ import annotations

import os
from typing import Any, Iterable, Mapping

PROGRAM_DIRS = ("usr/bin", "usr/sbin", "usr/local/bin", "usr/local/sbin", "bin", "sbin", "usr/libexec")
#: What is there, and a program of which any shows it.
HYPERVISORS = {
    "incus": ("incusd",),
    "libvirt": ("libvirtd", "virtqemud"),
    "lxd": ("lxd",),
    "proxmox": ("qm",),
    "xen": ("xl",),
}
CONTAINERS = {
    "containerd": ("containerd",),
    "crio": ("crio",),
    "docker": ("dockerd",),
    "lxc": ("lxc-start",),
    "podman": ("podman",),
}
SCHEDULERS = {"gridengine": ("sge_execd",), "htcondor": ("condor_startd",), "pbs": ("pbs_mom",), "slurm": ("slurmd",)}
#: The switch SW_LID of include/uapi/linux/input-event-codes.h
LID_BIT = 1


class Devices:
    """Reads below ``root``; what is not there is left out."""

    def __init__(self, root: str = "/") -> None:
        self.root = root

    def hardware(self) -> dict[str, Any]:
        """Return battery, batteries, on_battery, lid, displays, audio and disks."""
        batteries = self.batteries()
        return {
            "battery": bool(batteries),
            "batteries": batteries,
            "on_battery": self.on_battery(),
            "lid": self.lid(),
            "displays": self.displays(),
            "audio": self.audio(),
            "disks": self.disks(),
        }

    def programs(self) -> dict[str, Any]:
        """Return desktop, hypervisors, containers, schedulers and shares."""
        return {
            "desktop": self._exists("etc/systemd/system/display-manager.service"),
            "hypervisors": self._installed(HYPERVISORS),
            "containers": self._installed(CONTAINERS),
            "schedulers": self._installed(SCHEDULERS),
            "shares": self.shares(),
        }

    def batteries(self) -> list[dict[str, Any]]:
        """Return the batteries that feed the machine: one of a mouse or a UPS has the scope "Device" or another type.

        See Documentation/ABI/testing/sysfs-class-power.
        """
        return [
            {"name": name, "status": self._said(name, "status") or None, "percent": self._percent(name)}
            for name in self._supplies("Battery")
            if self._said(name, "present") != "0"
        ]

    def on_battery(self) -> bool | None:
        """Tell whether the machine runs from its battery; None: it has none, or cannot tell."""
        mains = [self._said(name, "online") for name in self._supplies("Mains", "USB", "Wireless")]
        batteries = [self._said(name, "status") for name in self._supplies("Battery")]
        if not batteries or any(online not in ("", "0") for online in mains):
            return False if batteries else None
        return "Discharging" in batteries or "0" in mains

    def _supplies(self, *types: str) -> list[str]:
        names = self._names("sys/class/power_supply")
        return [name for name in names if self._said(name, "type") in types and self._said(name, "scope") != "Device"]

    def _said(self, supply: str, file: str) -> str:
        return self.text(f"sys/class/power_supply/{supply}/{file}").strip()

    def _percent(self, battery: str) -> int | None:
        said = self._said(battery, "capacity")
        return int(said) if said.isdigit() else None

    def lid(self) -> bool:
        """Tell whether the machine has a lid: ACPI's button, or an input device with the switch."""
        if self._names("proc/acpi/button/lid"):
            return True
        folder = "sys/class/input"
        words = (self.text(f"{folder}/{name}/device/capabilities/sw").split() for name in self._names(folder))
        return any(int(word[-1], 16) & LID_BIT for word in words if word)

    def displays(self) -> list[str]:
        """Return the connectors for screens, such as "eDP-1", whether or not something is connected."""
        folder = "sys/class/drm"
        cards = (name for name in self._names(folder) if "-" in name and self._exists(f"{folder}/{name}/status"))
        return sorted({name.partition("-")[2] for name in cards if "Writeback" not in name})

    def audio(self) -> bool:
        """Tell whether there is a sound device that plays."""
        return "playback" in self.text("proc/asound/pcm")

    def disks(self) -> list[dict[str, Any]]:
        """Return the drives behind a bus, without loop devices, memory, optical drives and what is made of drives."""
        folder = "sys/block"
        names = (name for name in self._names(folder) if not name.startswith(("sr", "zram")))
        return [
            {"name": name, "rotational": self.text(f"{folder}/{name}/queue/rotational").strip() == "1"}
            for name in names
            if self._exists(f"{folder}/{name}/device")
        ]

    def shares(self) -> list[str]:
        """Return which of nfs and smb the machine is set up to serve."""
        exports = ["etc/exports", *(f"etc/exports.d/{name}" for name in self._names("etc/exports.d"))]
        nfs = any(line.strip() and line[0] != "#" for file in exports for line in self.text(file).splitlines())
        smb = self._installed({"smb": ("smbd", "ksmbd.mountd")}) and (
            self._exists("etc/samba/smb.conf") or self._exists("etc/ksmbd/ksmbd.conf")
        )
        return [name for name, there in (("nfs", nfs), ("smb", smb)) if there]

    def text(self, path: str) -> str:
        """Return a file's text, or "" where it cannot be read."""
        try:
            with open(os.path.join(self.root, path), encoding="utf-8", errors="replace") as stream:
                return stream.read()
        except OSError:
            return ""

    def _installed(self, table: Mapping[str, tuple[str, ...]]) -> list[str]:
        return sorted(name for name, programs in table.items() if self._any_program(programs))

    def _any_program(self, programs: Iterable[str]) -> bool:
        return any(self._exists(f"{where}/{program}") for program in programs for where in PROGRAM_DIRS)

    def _exists(self, path: str) -> bool:
        return os.path.lexists(os.path.join(self.root, path))

    def _names(self, path: str) -> list[str]:
        try:
            return sorted(os.listdir(os.path.join(self.root, path)))
        except OSError:
            return []
