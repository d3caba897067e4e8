# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell systemd how a service fares (sd_notify(3)); nothing happens where systemd did not start it."""

from __future__ import annotations

import contextlib
import os
import socket


def notify(text: str) -> None:
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.connect(address)
        systemd.send(text.encode())


def watchdog_seconds() -> float | None:
    """None where no watchdog waits for this process."""
    if os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    try:
        return int(os.environ["WATCHDOG_USEC"]) / 1e6
    except (KeyError, ValueError):
        return None
