# SPDX-License-Identifier: GPL-3.0-or-later
"""That somebody sets the clock of the wall: a timerfd that never expires, and is cancelled then (timerfd_create(2))."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import struct
from collections.abc import Callable

CLOCK_REALTIME = 0
TFD_TIMER_ABSTIME = 1
TFD_TIMER_CANCEL_ON_SET = 2
#: The year 2200, in seconds: a time that fits in 64 bits and does not come.
FAR = 7_258_118_400

_libc = ctypes.CDLL(None, use_errno=True)


class WallClock:
    """``call()`` each time when CLOCK_REALTIME is set, and after a sleep; small corrections (slewing) say nothing."""

    def __init__(self, loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
        """Raises OSError."""
        self._loop, self._call = loop, call
        self.fd = _checked(_libc.timerfd_create(CLOCK_REALTIME, os.O_NONBLOCK | os.O_CLOEXEC))
        try:
            self._arm()
        except OSError:
            os.close(self.fd)
            raise
        loop.add_reader(self.fd, self._readable)

    def _arm(self) -> None:
        value = struct.pack("qqqq", 0, 0, FAR, 0)  # struct itimerspec: no interval
        _checked(_libc.timerfd_settime(self.fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, value, None))

    def _readable(self) -> None:
        with contextlib.suppress(OSError):  # ECANCELED: it was set
            os.read(self.fd, 8)
        self._call()

    def close(self) -> None:
        if self.fd >= 0:
            self._loop.remove_reader(self.fd)
            os.close(self.fd)
            self.fd = -1


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
