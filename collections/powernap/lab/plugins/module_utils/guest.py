# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens inside a host before its systemd runs: its root is built, its own files written, init executed."""

from __future__ import annotations

import contextlib
import os
import pathlib
import signal
import traceback
import uuid

from . import kernel

_PLAIN = kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_LINKS = {"fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2", "ptmx": "pts/ptmx"}
INIT = "/lib/systemd/systemd"
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG": "C.UTF-8",
    "TERM": "linux",
}


def become(spec, top: pathlib.Path, netns: pathlib.Path, first_boot: dict) -> None:
    """Never returns. top: the host's folder; first_boot: files to write, path -> (text, mode) or link target."""
    try:
        _leave_supervisor(top)
        kernel.setns(netns, kernel.NEWNET)
        kernel.unshare(kernel.NEWCGROUP)  # now, when this process is in the host's own group already
        kernel.sethostname(spec.name)
        _build_root(spec, top)
        for where, what in first_boot.items():
            _write(pathlib.Path(where), what)
        kernel.die_with_parent()
        os.execve(INIT, [INIT], dict(ENVIRONMENT, container="lab", NOTIFY_SOCKET="/run/host/notify"))
    except BaseException:  # noqa: BLE001 - nothing is above this in the new process
        os.write(2, traceback.format_exc().encode())
    finally:
        os._exit(70)


def _leave_supervisor(top: pathlib.Path) -> None:
    signal.set_wakeup_fd(-1)
    os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
    console = os.open(top / "console.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(console, 1)
    os.dup2(console, 2)
    os.closerange(3, 4096)
    os.setsid()
    for number in range(1, signal.NSIG):
        with contextlib.suppress(OSError, ValueError):
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _build_root(spec, top: pathlib.Path) -> None:
    root = top / "root"
    kernel.mount(None, "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
    kernel.bind(root, root)  # a mount of this namespace's own: the inherited one is locked and cannot become /
    os.chdir(root)  # what follows is relative to it; the old root is still needed for the sources
    kernel.mount("proc", "proc", "proc", _PLAIN)
    kernel.mount("sysfs", "sys", "sysfs", _PLAIN)
    _devices()
    _tmpfs("run", 755)
    _tmpfs("tmp", 1777)
    _cover(spec, top)
    kernel.mount(None, "sys", None, kernel.MS_BIND | kernel.MS_REMOUNT | kernel.MS_RDONLY | _PLAIN)
    kernel.mount("cgroup2", "sys/fs/cgroup", "cgroup2", _PLAIN)
    for name in ("cpu", "io", "memory"):  # the pressure of this host, not of the machine under the lab
        own, shown = pathlib.Path(f"sys/fs/cgroup/{name}.pressure"), pathlib.Path("proc/pressure", name)
        if own.exists() and shown.exists():
            kernel.bind(own, shown)
    pathlib.Path("run/host").mkdir()
    pathlib.Path("run/host/notify").touch()
    kernel.bind(top / "notify", "run/host/notify")
    kernel.pivot_root_here()
    # As systemd has it on a machine, and leaves to others in a container: credentials of services are mounted so.
    kernel.mount(None, "/", None, kernel.MS_REC | kernel.MS_SHARED)


def _devices() -> None:
    _tmpfs("dev", 755, ",size=1m")
    for name in _DEVICES:  # a user namespace may not make device nodes
        pathlib.Path("dev", name).touch()
        kernel.bind("/dev/" + name, "dev/" + name)
    for name, target in _LINKS.items():
        pathlib.Path("dev", name).symlink_to(target)
    pathlib.Path("dev/pts").mkdir()
    pathlib.Path("dev/shm").mkdir()
    kernel.mount(
        "devpts", "dev/pts", "devpts", kernel.MS_NOSUID | kernel.MS_NOEXEC, "newinstance,ptmxmode=0666,mode=620,gid=5"
    )
    _tmpfs("dev/shm", 1777)


def _tmpfs(target: str, mode: int, more: str = "") -> None:
    kernel.mount("tmpfs", target, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, f"mode={mode}{more}")


def _cover(spec, top: pathlib.Path) -> None:
    """Put the host's own files over those of the machine under the lab. /sys/power is the one that must be there."""
    (top / "boot_id").write_text(f"{uuid.uuid4()}\n")
    kernel.bind(top / "power", "sys/power")
    for source, target in (
        (top / "loadavg", "proc/loadavg"),
        (top / "boot_id", "proc/sys/kernel/random/boot_id"),
        (top / "power_supply", "sys/class/power_supply"),
        (top / "dmi", "sys/devices/virtual/dmi/id"),
    ):
        if pathlib.Path(target).exists():
            kernel.bind(source, target)


def _write(path: pathlib.Path, what) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(what, str):
        path.unlink(missing_ok=True)
        path.symlink_to(what)
        return
    text, mode = what
    path.write_text(text)
    path.chmod(mode)
