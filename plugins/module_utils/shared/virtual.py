# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Is this a physical machine, a virtual machine or a container? The tools disagree, so each is asked separately."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from typing import Any

# DMI vendor or product names of hypervisors (as systemd's src/basic/virt.c lists them)
_DMI = (
    ("KVM", "kvm"),
    ("QEMU", "qemu"),
    ("VMware", "vmware"),
    ("VMW", "vmware"),
    ("innotek GmbH", "oracle"),
    ("VirtualBox", "oracle"),
    ("Xen", "xen"),
    ("Bochs", "bochs"),
    ("Parallels", "parallels"),
    ("BHYVE", "bhyve"),
    ("Hyper-V", "microsoft"),
    ("Virtual Machine", "microsoft"),
    ("Apple Virtualization", "apple"),
    ("Google Compute Engine", "google"),
    ("Amazon EC2", "amazon"),
    ("OpenStack", "openstack"),
)
_DMI_FILES = ("product_name", "sys_vendor", "board_vendor", "bios_vendor", "product_version")


@dataclass(frozen=True)
class Virtualization:
    """kind: "none", "vm" or "container"; technology: such as "kvm"; source: who said so; reason: one sentence."""

    kind: str
    technology: str
    source: str

    @property
    def reason(self) -> str:
        if self.kind == "none":
            return f"a physical machine ({self.source})"
        what = "a container" if self.kind == "container" else "a virtual guest"
        return f"{what}: {self.technology} ({self.source})"

    def as_dict(self) -> dict[str, str]:
        return {"kind": self.kind, "technology": self.technology, "source": self.source, "reason": self.reason}


def detect(root: str = "/", run: Any = subprocess.run) -> Virtualization:
    """Return what this machine is. systemd-detect-virt is asked first; without it, files under ``root`` are read."""
    asked = [(kind, _ask(run, option)) for kind, option in (("container", "--container"), ("vm", "--vm"))]
    for kind, answer in asked:
        if answer not in (None, "none"):
            return Virtualization(kind, answer, "systemd-detect-virt")
    if all(answer == "none" for _kind, answer in asked):
        return Virtualization("none", "none", "systemd-detect-virt")
    return read(root)


def _ask(run: Any, option: str) -> str | None:
    """Return the answer of systemd-detect-virt, "none", or None where it cannot be asked."""
    try:
        done = run(["systemd-detect-virt", option], capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.SubprocessError):
        return None
    answer = (done.stdout or "").strip()
    return answer or None


def read(root: str = "/") -> Virtualization:
    """Return what the files of the machine say: container marks, then DMI, then the hypervisor flag of the CPU."""
    for path, technology in (("run/systemd/container", ""), (".dockerenv", "docker"), ("run/.containerenv", "podman")):
        text = _text(root, path)
        if text is not None:
            return Virtualization("container", technology or text.strip() or "other", "/" + path)
    environ = _text(root, "proc/1/environ")  # not readable everywhere, even by root: then it says nothing
    for item in (environ or "").split("\0"):
        if item.startswith("container="):
            return Virtualization("container", item.split("=", 1)[1] or "other", "/proc/1/environ")
    if _text(root, "proc/user_beancounters") is not None and _text(root, "proc/bc/0") is None:
        return Virtualization("container", "openvz", "/proc/user_beancounters")
    for name in _DMI_FILES:
        path = f"sys/class/dmi/id/{name}"
        text = _text(root, path) or ""
        for mark, technology in _DMI:
            if text.startswith(mark):
                return Virtualization("vm", technology, "/" + path)
    hypervisor = (_text(root, "sys/hypervisor/type") or "").strip()
    if hypervisor:
        return Virtualization("vm", hypervisor, "/sys/hypervisor/type")
    for line in (_text(root, "proc/cpuinfo") or "").splitlines():
        if line.startswith("flags") and " hypervisor" in line:
            return Virtualization("vm", "unknown", "the hypervisor flag in /proc/cpuinfo")
    return Virtualization("none", "none", "DMI and /proc")


def _text(root: str, path: str) -> str | None:
    try:
        with open(os.path.join(root, path), encoding="utf-8", errors="replace") as stream:
            return stream.read()
    except OSError:
        return None
