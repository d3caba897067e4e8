# SPDX-License-Identifier: GPL-3.0-or-later
"""Warn in the system log."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import time
from collections.abc import Mapping
from typing import Any

from powernap.nap.warnings.base import Notice, WarningMethod
from powernap.shared.errors import PowernapError
from powernap.shared.schema import Option

#: syslog(3) and RFC 5424, section 6.2.1.
FACILITIES = {"kern": 0, "user": 1, "mail": 2, "daemon": 3, "auth": 4, "syslog": 5, "authpriv": 10} | {
    f"local{number}": 16 + number for number in range(8)
}
PRIORITIES = {"emerg": 0, "alert": 1, "crit": 2, "err": 3, "warning": 4, "notice": 5, "info": 6, "debug": 7}
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class Syslog(WarningMethod):
    """One message to the local log daemon. libc's syslog(3) may block for good: this is its own, with a limit."""

    kind = "syslog"
    summary = "a message in the system log"
    options = (
        *WarningMethod.options,
        Option("facility", "str", "daemon", "where it is filed", choices=tuple(FACILITIES)),
        Option("priority", "str", "notice", "how grave it is", choices=tuple(PRIORITIES)),
        Option("socket", "path", "/dev/log", "the log daemon's socket"),
    )

    def __init__(self, name: str, values: Mapping[str, Any]) -> None:
        super().__init__(name, values)
        self._priority = 8 * FACILITIES[self.values["facility"]] + PRIORITIES[self.values["priority"]]

    async def tell(self, notice: Notice) -> None:
        text = " ".join(notice.text.splitlines())
        message = f"<{self._priority}>{stamp(time.localtime())} powernapd[{os.getpid()}]: {text}".encode()
        try:
            await asyncio.wait_for(self._send(message), self.limit_seconds)
        except asyncio.TimeoutError as error:
            raise PowernapError(f"{self.values['socket']} takes no message: look after the log daemon") from error
        except OSError as error:
            raise PowernapError(f"{self.values['socket']}: {error.strerror}: is a log daemon running?") from error

    async def _send(self, message: bytes) -> None:
        """Log daemons have a datagram socket; some have a stream, on which a zero byte ends a message."""
        loop = asyncio.get_running_loop()
        for kind, ending in ((socket.SOCK_DGRAM, b""), (socket.SOCK_STREAM, b"\0")):
            with socket.socket(socket.AF_UNIX, kind) as sock:
                sock.setblocking(False)
                try:
                    await loop.sock_connect(sock, self.values["socket"])
                except OSError as error:
                    if error.errno == errno.EPROTOTYPE and kind is socket.SOCK_DGRAM:
                        continue
                    raise
                await loop.sock_sendall(sock, message + ending)
                return


def stamp(now: time.struct_time) -> str:
    """Return the time as RFC 3164, section 4.1.2 has it, whatever the locale."""
    return f"{MONTHS[now.tm_mon - 1]} {now.tm_mday:2d} {now.tm_hour:02d}:{now.tm_min:02d}:{now.tm_sec:02d}"
