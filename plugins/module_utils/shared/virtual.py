# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Is this a physical machine, a virtual machine or a container? The tools disagree, so each is asked separately."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from typing import Any, Iterator

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
    asked = _ask_both(run)
    for kind, answer in asked:
        if answer not in (None, "none"):
            return Virtualization(kind, str(answer), "systemd-detect-virt")
    if all(answer == "none" for _kind, answer in asked):
        return Virtualization("none", "none", "systemd-detect-virt")
    return read(root)


def evidence(root: str = "/", run: Any = subprocess.run) -> list[str]:
    """Return what each source says of it, those that say nothing left out: the first that names one decides."""
    asked = [f"systemd-detect-virt --{kind}: {answer}" for kind, answer in _ask_both(run) if answer is not None]
    return [*asked, *(f"{found.source}: {found.technology}" for found in signs(root))]


def _ask_both(run: Any) -> list[tuple[str, str | None]]:
    return [(kind, _ask(run, f"--{kind}")) for kind in ("container", "vm")]


def _ask(run: Any, option: str) -> str | None:
    """Return the answer of systemd-detect-virt, "none", or None where it cannot be asked."""
    try:
        done = run(["systemd-detect-virt", option], capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.SubprocessError):
        return None
    answer = (done.stdout or "").strip()
    return answer or None


def read(root: str = "/") -> Virtualization:
    """Return what the files of the machine say."""
    return next(signs(root), Virtualization("none", "none", "DMI and /proc"))


def signs(root: str = "/") -> Iterator[Virtualization]:
    """Yield what files say: container marks, then DMI, then the hypervisor and its flag of the CPU."""
    for path, technology in (("run/systemd/container", ""), (".dockerenv", "docker"), ("run/.containerenv", "podman")):
        text = _text(root, path)
        if text is not None:
            yield Virtualization("container", technology or text.strip() or "other", "/" + path)
    environ = _text(root, "proc/1/environ")  # not readable everywhere, even by root: then it says nothing
    for item in (environ or "").split("\0"):
        if item.startswith("container="):
            yield Virtualization("container", item.split("=", 1)[1] or "other", "/proc/1/environ")
    if _text(root, "proc/user_beancounters") is not None and _text(root, "proc/bc/0") is None:
        yield Virtualization("container", "openvz", "/proc/user_beancounters")
    for name in _DMI_FILES:
        path = f"sys/class/dmi/id/{name}"
        text = _text(root, path) or ""
        technology = next((technology for mark, technology in _DMI if text.startswith(mark)), "")
        if technology:
            yield Virtualization("vm", technology, "/" + path)
    hypervisor = (_text(root, "sys/hypervisor/type") or "").strip()
    if hypervisor:
        yield Virtualization("vm", hypervisor, "/sys/hypervisor/type")
    cpus = (_text(root, "proc/cpuinfo") or "").splitlines()
    if any(line.startswith("flags") and " hypervisor" in line for line in cpus):
        yield Virtualization("vm", "unknown", "the hypervisor flag in /proc/cpuinfo")


def _text(root: str, path: str) -> str | None:
    try:
        with open(os.path.join(root, path), encoding="utf-8", errors="replace") as stream:
            return stream.read()
    except OSError:
        return None
