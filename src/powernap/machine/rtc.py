# SPDX-License-Identifier: GPL-3.0-or-later
"""Wake this machine by its clock: a timerfd of CLOCK_BOOTTIME_ALARM, else /sys/class/rtc/rtcN/wakealarm.

The timer is the kernel's to share with others (alarmtimers keep the earliest), but ends with a poweroff: then only the
clock's own alarm wakes. Sources: timerfd_create(2), Documentation/admin-guide/rtc.rst, drivers/rtc/sysfs.c.
"""

from __future__ import annotations

import ctypes
import math
import os
from pathlib import Path

from powernap.shared.errors import PowernapError

CLOCK_BOOTTIME_ALARM = 9
TFD_CLOEXEC = 0o2000000


class NoClock(PowernapError):
    """No clock of this machine can wake it."""


class Alarm:
    """One alarm at a time."""

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root
        self._timer: int | None = None
        self._file: Path | None = None
        self._others = ""

    def set(self, seconds: float, through_poweroff: bool = False) -> str:
        """Wake in so many seconds; return by which means. Raises NoClock."""
        self.clear()
        files = self._files()
        if not files:
            raise NoClock("this machine has no clock that can wake it (/sys/class/rtc/rtc*/wakealarm is missing)")
        if not through_poweroff:
            try:
                self._timer = _timer(seconds)
            except OSError:  # no CAP_WAKE_ALARM
                self._timer = None
            else:
                return "timerfd"
        file = files[0]
        try:
            others = file.read_text().strip()
            if others and int(others) - int(file.with_name("since_epoch").read_text()) <= seconds:
                return f"/{file.relative_to(self._root)}, which somebody else set to an earlier time"
            file.write_text("0")  # else EBUSY
            file.write_text(f"+{math.ceil(seconds)}")
        except (OSError, ValueError) as error:
            raise NoClock(f"{file} cannot be set: {error}") from error
        self._file, self._others = file, others
        return f"/{file.relative_to(self._root)}"

    def possible(self) -> bool:
        """Tell whether some clock can wake this machine."""
        return bool(self._files())

    def _files(self) -> list[Path]:
        return sorted(self._root.glob("sys/class/rtc/rtc*/wakealarm"))

    def clear(self) -> None:
        """Take the alarm back, and give the clock to whom it belonged before."""
        if self._timer is not None:
            os.close(self._timer)
            self._timer = None
        if self._file is None:
            return
        file, self._file = self._file, None
        try:
            file.write_text("0")
            if self._others and int(self._others) > int(file.with_name("since_epoch").read_text()):
                file.write_text(self._others)
        except (OSError, ValueError):
            return


def _timer(seconds: float) -> int:
    """Return a timer that elapses so much later, also by waking the machine. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor: int = libc.timerfd_create(CLOCK_BOOTTIME_ALARM, TFD_CLOEXEC)
    if descriptor < 0:
        raise OSError(ctypes.get_errno(), "timerfd_create")
    whole = int(seconds)
    value = (ctypes.c_long * 4)(0, 0, whole, max(1, int((seconds - whole) * 1e9)))
    if libc.timerfd_settime(descriptor, 0, value, None) < 0:
        number = ctypes.get_errno()
        os.close(descriptor)
        raise OSError(number, "timerfd_settime")
    return descriptor
