# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The few system calls that Python 3.9 does not have. Each raises OSError."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal

_libc = ctypes.CDLL(None, use_errno=True)

# include/uapi/linux/sched.h
NEWNS, NEWCGROUP, NEWUTS, NEWIPC = 0x20000, 0x2000000, 0x4000000, 0x8000000
NEWUSER, NEWPID, NEWNET, INTO_CGROUP = 0x10000000, 0x20000000, 0x40000000, 0x200000000
# include/uapi/linux/mount.h
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT = 1, 2, 4, 8, 32
MS_BIND, MS_REC, MS_PRIVATE, MS_SHARED = 1 << 12, 1 << 14, 1 << 18, 1 << 20
MNT_DETACH = 2
PR_SET_PDEATHSIG, PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP = 1, 28, 4
_SYS_CLONE3 = 435  # the same on every architecture
_SYS_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}


def _check(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def mount(source, target, fstype=None, flags=0, data=None) -> None:
    """mount(2); source and target are paths, data the options of the file system."""
    args = [None if part is None else os.fsencode(part) for part in (source, target, fstype)]
    options = None if data is None else data.encode()
    _check(_libc.mount(args[0], args[1], args[2], ctypes.c_ulong(flags), options), f"mount {target}")


def bind(source, target, flags=0) -> None:
    """Bind source over target; flags other than 0 need a second call, since the first ignores them."""
    mount(source, target, None, MS_BIND)
    if flags:
        mount(None, target, None, MS_BIND | MS_REMOUNT | flags)


def pivot_root_here() -> None:
    """Make the working directory the root, and let go of the old one."""
    number = _SYS_PIVOT_ROOT.get(os.uname().machine)
    if number is None:
        raise OSError(f"the lab knows no pivot_root for {os.uname().machine}")
    _check(_libc.syscall(number, b".", b"."), "pivot_root")
    _check(_libc.umount2(b".", MNT_DETACH), "umount")
    os.chdir("/")


def sethostname(name: str) -> None:
    _check(_libc.sethostname(name.encode(), len(name.encode())), "sethostname")


def unshare(flags: int) -> None:
    _check(_libc.unshare(flags), "unshare")


def die_with_parent() -> None:
    """Get SIGKILL when the parent ends. A later change of uid undoes it; an exec does not."""
    _check(_libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "prctl")


def new_user_namespace(owner: int, flags: int) -> None:
    """Go into a new user namespace (and others, by flags) whose owner is that uid. What is used in the namespace counts
    against the owner's limits (user_namespaces(7), inotify(7)): root's own would be used up by two labs."""
    _check(_libc.prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0), "prctl")  # stay capable under the other uid
    os.setresuid(-1, owner, -1)
    unshare(NEWUSER | flags)


def clone(flags: int, cgroup_fd: int) -> int:
    """fork() into new namespaces and into the cgroup behind cgroup_fd: clone3(2). Returns as fork does."""
    arguments = (ctypes.c_uint64 * 11)(flags | INTO_CGROUP, 0, 0, 0, signal.SIGCHLD, 0, 0, 0, 0, 0, cgroup_fd)
    return _check(_libc.syscall(_SYS_CLONE3, arguments, ctypes.sizeof(arguments)), "clone3")


def setns(path, kind: int) -> None:
    """Join the namespace behind path."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _check(_libc.setns(fd, kind), f"setns {path}")
    finally:
        os.close(fd)


@contextlib.contextmanager
def in_netns(path):
    """Be in that network namespace for the length of the block. Sockets made there stay there."""
    here = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        setns(path, NEWNET)
        try:
            yield
        finally:
            _check(_libc.setns(here, NEWNET), "setns back")
    finally:
        os.close(here)
