# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Control groups (v2): one for the lab, below it one for each host. No controller is needed, only freeze and kill."""

from __future__ import annotations

import contextlib
import os
import pathlib
import time

from . import kernel


def own() -> str:
    """This process's group in the v2 tree, as a path that starts with /."""
    for line in pathlib.Path("/proc/self/cgroup").read_text().splitlines():
        if line.startswith("0::"):
            return line[3:]
    raise OSError("this kernel has no cgroup v2")


def mount(target: pathlib.Path) -> None:
    """A view of the v2 tree, wherever and whether the machine has mounted one."""
    target.mkdir(exist_ok=True)
    kernel.mount("cgroup2", target, "cgroup2", kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC, _options())


def _options() -> str:
    """Those that the tree has, such as nsdelegate. It has one set of them, which a mount without them would clear."""
    for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
        fields = line.partition(" - ")[2].split()  # type, source, options of the tree
        if fields[0] == "cgroup2":
            return ",".join(option for option in fields[-1].split(",") if option not in ("rw", "ro"))
    return ""


def create(group: pathlib.Path, owner: int) -> None:
    """Make a group that the uid and gid owner may manage."""
    group.mkdir()
    for entry in (group, *group.iterdir()):
        os.chown(entry, owner, owner)


def join(group: pathlib.Path, pid: int = 0) -> None:
    (group / "cgroup.procs").write_text(str(pid))


def freeze(group: pathlib.Path, frozen: bool, timeout: float = 5.0) -> None:
    """Returns when the kernel says that it is done; raises TimeoutError."""
    (group / "cgroup.freeze").write_text("1" if frozen else "0")
    _wait(group, f"frozen {frozen:d}", timeout)


def kill(group: pathlib.Path) -> None:
    """End everything in the group and below it."""
    (group / "cgroup.kill").write_text("1")


def wait_empty(group: pathlib.Path, timeout: float = 10.0) -> None:
    """Until nothing is left in the group, zombies included, or it is gone itself; raises TimeoutError."""
    with contextlib.suppress(FileNotFoundError):
        _wait(group, "populated 0", timeout)


def remove(group: pathlib.Path) -> None:
    """Remove the group with all below it; none of them may have a process."""
    for folder, _folders, _files in os.walk(group, topdown=False):
        with contextlib.suppress(FileNotFoundError):
            pathlib.Path(folder).rmdir()


def _wait(group: pathlib.Path, line: str, timeout: float) -> None:
    until = time.monotonic() + timeout
    while line not in (group / "cgroup.events").read_text():
        if time.monotonic() > until:
            raise TimeoutError(f"{group} is not {line} after {timeout:g} s")
        time.sleep(0.001)
