# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fake /sys/power of a host. Whoever opens state for writing blocks, as a write of "mem" blocks in a real suspend.

The block is a file lease (fcntl(2), F_SETLEASE): the kernel holds the opener and tells the lease's owner by SIGIO. With
a plain file the writer would race on before it is frozen, and a FIFO would break those who only read.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pathlib
import time

_CONTENT = {"state": "freeze mem disk\n", "mem_sleep": "s2idle [deep]\n", "disk": "[platform] shutdown reboot\n"}
_RELEASE_SECONDS = 5.0


class PowerState:
    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        self.state = folder / "state"
        self.armed = False
        self._fd = None
        self._mtime = 0
        self._until = 0.0

    def open(self) -> None:
        """Fresh files at each boot; arm() comes next."""
        self.close()
        self.folder.mkdir(parents=True, exist_ok=True)
        for name, text in _CONTENT.items():
            (self.folder / name).write_text(text)
        self._fd = os.open(self.state, os.O_RDONLY | os.O_CLOEXEC)
        self._mtime = 0

    def close(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
        self._fd, self.armed = None, False

    def requested(self) -> bool:
        """Somebody waits to write."""
        return self.armed and fcntl.fcntl(self._fd, fcntl.F_GETLEASE) == fcntl.F_UNLCK

    def release(self, wrote: bool) -> None:
        """Let the writer go on; wrote: it is alive and will write, so wait for that before arming again."""
        self.armed = False
        self._mtime = os.fstat(self._fd).st_mtime_ns if wrote else 0
        self._until = time.monotonic() + _RELEASE_SECONDS
        with contextlib.suppress(BlockingIOError):  # the kernel took it back: /proc/sys/fs/lease-break-time is over
            fcntl.fcntl(self._fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)

    def arm(self) -> bool:
        """Take the lease. False: try again soon, the last writer has not written and closed yet."""
        if self._mtime and os.fstat(self._fd).st_mtime_ns == self._mtime and time.monotonic() < self._until:
            return False  # armed now, the same writer would trip it twice
        try:
            fcntl.fcntl(self._fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
            if self._mtime:  # the writer has left its word in the file; the kernel's own shows the states again
                fcntl.fcntl(self._fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
                self.state.write_text(_CONTENT["state"])
                self._mtime = 0
                fcntl.fcntl(self._fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        except BlockingIOError:
            return False
        self.armed = True
        return True
