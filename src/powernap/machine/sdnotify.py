# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell systemd how the daemon does: sd_notify(3). Without systemd nothing happens."""

from __future__ import annotations

import os
import socket
import time

#: systemd's USEC_INFINITY: with that, service_start_watchdog stops the watchdog.
UNLIMITED = 2**64 - 1


def notify(*lines: str) -> None:
    """Send lines such as "READY=1". A systemd that cannot be reached is no reason to fail."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
            sock.sendto("\n".join(lines).encode(), address)
    except OSError:
        return


def reloading() -> None:
    """Say that the configuration is being read again; READY=1 ends it."""
    notify("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")


def watchdog_seconds() -> float | None:
    """Return within how many seconds systemd wants to see WATCHDOG=1, or None: sd_watchdog_enabled(3)."""
    if os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    try:
        return int(os.environ["WATCHDOG_USEC"]) / 1e6
    except (KeyError, ValueError):
        return None


def cover(seconds: float | None) -> None:
    """Feed systemd's watchdog once, and let it wait that long, and its own time on top; None: until further notice.

    sd_notify(3), WATCHDOG_USEC: so the daemon need not wake only to say that it is alive.
    """
    own = watchdog_seconds()
    if own is not None:
        usec = UNLIMITED if seconds is None else round((seconds + own) * 1e6)
        notify("WATCHDOG=1", f"WATCHDOG_USEC={usec}")
