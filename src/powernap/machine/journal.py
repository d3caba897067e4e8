# SPDX-License-Identifier: GPL-3.0-or-later
"""Log to systemd's journal with fields, by its native protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL)."""

from __future__ import annotations

import logging
import os
import socket
import struct
import sys
from collections.abc import Mapping

SOCKET = "/run/systemd/journal/socket"
#: How long a journal that takes nothing may delay the daemon; the line goes to standard error then.
SEND_SECONDS = 0.2
#: sd-daemon(3) and syslog(3) number them alike.
PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3}


def encode(fields: Mapping[str, object]) -> bytes:
    """Return one entry: KEY=value lines; a value of several lines follows its length, 64 bits little-endian."""
    entry = bytearray()
    for key, value in fields.items():
        data = str(value).encode(errors="replace")
        if b"\n" in data:
            entry += key.encode() + b"\n" + struct.pack("<Q", len(data)) + data + b"\n"
        else:
            entry += key.encode() + b"=" + data + b"\n"
    return bytes(entry)


def is_stderr() -> bool:
    """Tell whether standard error is the journal: $JOURNAL_STREAM names its device and inode (systemd.exec(5))."""
    try:
        status = os.fstat(sys.stderr.fileno())
    except (OSError, ValueError):
        return False
    return os.environ.get("JOURNAL_STREAM", "") == f"{status.st_dev}:{status.st_ino}"


class JournalHandler(logging.Handler):
    """Sends each record with the fields of its attribute ``journal``; what cannot be sent goes to standard error."""

    def __init__(self, identifier: str, path: str = SOCKET) -> None:
        super().__init__()
        self._identifier, self._path = identifier, path
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._sock.settimeout(SEND_SECONDS)

    def emit(self, record: logging.LogRecord) -> None:
        priority = PRIORITIES.get(record.levelno, 6)
        fields: dict[str, object] = {
            "MESSAGE": self.format(record),
            "PRIORITY": priority,
            "SYSLOG_IDENTIFIER": self._identifier,
            "CODE_FILE": record.pathname,
            "CODE_LINE": record.lineno,
            **getattr(record, "journal", {}),
        }
        try:
            self._sock.sendto(encode(fields), self._path)
        except OSError:  # no journal, a full one, or a line too long for a datagram
            print(f"<{priority}>{fields['MESSAGE']}", file=sys.stderr, flush=True)

    def close(self) -> None:
        self._sock.close()
        super().close()
