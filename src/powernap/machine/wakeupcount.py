# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel's half of a sleep that no wake-up event is lost to: /sys/power/wakeup_count.

Documentation/ABI/testing/sysfs-power: a read blocks while events are in progress; a write of the number read arms the
check, and fails if events came since; the sleep that follows is called off when one comes before it is complete.
"""

from __future__ import annotations

import errno
from contextlib import suppress
from pathlib import Path

from powernap.machine import hands
from powernap.shared.errors import PowernapError

FILE = "sys/power/wakeup_count"


class WakeEvent(PowernapError):
    """Something wants this machine awake."""


def read(root: Path = Path("/")) -> str:
    """Return the count, or "" where this kernel has none. May block for as long as an event is in progress."""
    try:
        return (root / FILE).read_text().strip()
    except OSError as error:
        if error.errno == errno.EINTR:
            raise WakeEvent("a wake-up event is in progress") from error
        return ""


def write(count: str, root: Path = Path("/")) -> None:
    """Arm the check. Raises WakeEvent."""
    if hands.needed():
        try:
            hands.ask("wakeup-count", count=count)
        except hands.HandsError as error:
            raise WakeEvent(str(error)) from None
        return
    try:
        (root / FILE).write_text(count)
    except OSError as error:
        if error.errno == errno.EBUSY:
            raise WakeEvent("the kernel's autosleep is on: write off to /sys/power/autosleep") from error
        if error.errno == errno.EINVAL:
            raise WakeEvent("a wake-up event came while the machine was about to sleep") from error
        raise WakeEvent(f"/{FILE} cannot be written: {error.strerror}") from error


def forget(count: str, root: Path = Path("/")) -> None:
    """Disarm the check, lest it call off somebody else's sleep: a number that is wrong does so (wakeup.c)."""
    if hands.needed():
        with suppress(hands.HandsError):
            hands.ask("wakeup-count", count=count, forget=True)
        return
    try:
        (root / FILE).write_text(str((int(count) - 1) % 2**31))
    except (OSError, ValueError):
        return
