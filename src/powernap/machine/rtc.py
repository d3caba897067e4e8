# SPDX-License-Identifier: GPL-3.0-or-later
"""Wake this machine by its clock: a timerfd of CLOCK_BOOTTIME_ALARM, else /sys/class/rtc/rtcN/wakealarm.

The timer is the kernel's to share with others (alarmtimers keep the earliest), but ends with a poweroff: then only the
clock's own alarm wakes. Sources: timerfd_create(2), Documentation/admin-guide/rtc.rst, drivers/rtc/sysfs.c.
"""

from __future__ import annotations

import ctypes
import math
import os
import threading
from contextlib import suppress
from pathlib import Path

from powernap.machine import hands
from powernap.shared.errors import PowernapError

WAKEALARM = "sys/class/rtc/rtc*/wakealarm"
CLOCK_BOOTTIME_ALARM = 9
TFD_CLOEXEC = 0o2000000


class NoClock(PowernapError):
    """No clock of this machine can wake it."""


class Alarm:
    """One alarm at a time. It may be set in a thread: who clears it meanwhile waits for that."""

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root
        self._timer: int | None = None
        self._file: Path | None = None
        self._others = ""
        self._turn = threading.RLock()

    def set(self, seconds: float, through_poweroff: bool = False) -> str:
        """Wake in so many seconds; return by which means. Raises NoClock."""
        with self._turn:
            return self._set(seconds, through_poweroff)

    def _set(self, seconds: float, through_poweroff: bool) -> str:
        self.clear()
        if hands.needed() and self._files():
            return self._ask(seconds, through_poweroff)
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

    def _ask(self, seconds: float, through_poweroff: bool) -> str:
        """Have powernap-hands set it. Raises NoClock."""
        try:
            answer = hands.ask("alarm", seconds=seconds, through_poweroff=through_poweroff)
        except hands.HandsError as error:
            raise NoClock(str(error)) from None
        if answer.files:
            self._timer = answer.file()
        elif answer.get("others") is not None:
            self._file, self._others = self._files()[0], str(answer["others"])
        return str(answer.get("how", ""))

    def given_away(self) -> tuple[int | None, str | None]:
        """Return the timer, or else what was set before in the clock that was set; it is somebody else's to clear."""
        timer, others = self._timer, None if self._file is None else self._others
        self._timer = self._file = None
        return timer, others

    def possible(self) -> bool:
        """Tell whether some clock can wake this machine."""
        return bool(self._files())

    def _files(self) -> list[Path]:
        return sorted(self._root.glob(WAKEALARM))

    def clear(self) -> None:
        """Take the alarm back, and give the clock to whom it belonged before."""
        with self._turn:
            self._clear()

    def _clear(self) -> None:
        if self._timer is not None:
            os.close(self._timer)
            self._timer = None
        if self._file is None:
            return
        self._file = None
        if not hands.needed():
            give_back(self._root, self._others)
            return
        with suppress(hands.HandsError):
            hands.ask("alarm-clear", others=self._others)


def give_back(root: Path, others: str) -> None:
    """Take the alarm of the first clock back, and leave it to whom it belonged before ("": to nobody)."""
    for file in sorted(root.glob(WAKEALARM))[:1]:
        with suppress(OSError, ValueError):
            file.write_text("0")
            if others and int(others) > int(file.with_name("since_epoch").read_text()):
                file.write_text(others)


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
