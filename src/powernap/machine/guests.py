# SPDX-License-Identifier: GPL-3.0-or-later
"""Virtual machines that run here: what libvirt says of its own, and the processes of all hypervisors."""

from __future__ import annotations

import html
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

#: libvirt rewrites a guest's file at each change of its state (src/util/virfile.c replaces it); of the system's daemon
#: (QEMU, Cloud Hypervisor) and of users' own.
LIBVIRT = ("run/libvirt/qemu/*.xml", "run/libvirt/ch/*.xml", "run/user/*/libvirt/qemu/run/*.xml")
#: virDomainState in libvirt-domain.h; "blocked" is "idle" in virsh.
STATES = ("nostate", "running", "blocked", "paused", "shutdown", "shutoff", "crashed", "pmsuspended")
STATUS = re.compile(r"<domstatus\b[^>]*>")
ATTRIBUTE = r"\b{}=['\"]([^'\"]*)['\"]"
NAME = re.compile(r"<name>([^<]*)</name>")
#: Names of hypervisors' processes, of which the kernel keeps 15 characters.
HYPERVISORS = re.compile(
    r"qemu-system-\w*|qemu-kvm|kvm|cloud-hyperviso|firecracker|crosvm|lkvm|VBoxHeadless|VirtualBoxVM|vmware-vmx"
)
#: What tells the guest's name on their command lines.
NAMED = {"-name", "--name", "--id", "--comment", "--startvm"}


@dataclass(frozen=True)
class Guest:
    """``state``: one of STATES; ``process``: 0 where it is not known."""

    name: str
    state: str
    process: int


def guests(root: Path = Path("/"), processes: bool = True) -> list[Guest]:
    """Return the guests, those first that libvirt knows. Raises OSError."""
    found = [guest for pattern in LIBVIRT for path in root.glob(pattern) for guest in _of_libvirt(path)]
    if processes:
        known = {guest.process for guest in found}
        found += [guest for guest in _processes(root / "proc") if guest.process not in known]
    return found


def folders(root: Path = Path("/")) -> list[Path]:
    """Return the folders in which libvirt's files come, change and go."""
    return [folder for pattern in LIBVIRT for folder in root.glob(str(Path(pattern).parent))]


def _of_libvirt(path: Path) -> Iterator[Guest]:
    try:
        text = path.read_text(errors="replace")
    except FileNotFoundError:
        return  # it ended meanwhile
    status = STATUS.search(text)
    name = NAME.search(text)
    if status is not None:
        state = re.search(ATTRIBUTE.format("state"), status[0])
        process = re.search(ATTRIBUTE.format("pid"), status[0])
        yield Guest(
            html.unescape(name[1]) if name else path.stem,
            state[1] if state else "nostate",
            int(process[1]) if process and process[1].isdigit() else 0,
        )


def _processes(proc: Path) -> Iterator[Guest]:
    for entry in os.scandir(proc):
        if not entry.name.isdigit():
            continue
        try:
            if HYPERVISORS.fullmatch(Path(entry.path, "comm").read_text().rstrip("\n")) is None:
                continue
            words = Path(entry.path, "cmdline").read_bytes().decode(errors="replace").split("\0")
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended meanwhile
        if any(words):  # a zombie has no command line
            yield Guest(_name(words) or f"process {entry.name}", "running", int(entry.name))


def _name(words: list[str]) -> str:
    """Return the guest's name: QEMU has -name VM, or -name guest=VM,debug-threads=on."""
    for word, following in pairwise(words):
        if word in NAMED:
            first = following.split(",", 1)[0]
            return first.removeprefix("guest=")
    return ""
