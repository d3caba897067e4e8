# SPDX-License-Identifier: GPL-3.0-or-later
"""Be told of changes to files: inotify(7), which the standard library lacks."""

from __future__ import annotations

import ctypes
import os

ACCESS, CREATE, DELETE = 0x1, 0x100, 0x200
EVENT_BYTES = 4096

_libc = ctypes.CDLL(None, use_errno=True)


class Inotify:
    """One inotify instance; it only tells that something happened. Raises OSError."""

    def __init__(self, fd: int | None = None) -> None:
        """``fd``: one that somebody else has made."""
        self.fd = fd if fd is not None else _checked(_libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))

    def watch(self, path: str, mask: int) -> None:
        """Add a watch. Raises OSError."""
        _checked(_libc.inotify_add_watch(self.fd, os.fsencode(path), ctypes.c_uint32(mask)))

    def drain(self) -> bool:
        """Forget what happened; tell whether anything had."""
        happened = False
        while True:
            try:
                if not os.read(self.fd, EVENT_BYTES):
                    return happened
            except BlockingIOError:
                return happened
            happened = True

    def close(self) -> None:
        os.close(self.fd)


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
