# SPDX-License-Identifier: GPL-3.0-or-later
"""The connections of powernapd itself to its wake server: they are nobody's activity."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
from collections import deque

#: The newest; those before are closed, but the kernel may still show them for a while.
_KEPT = 8
_noted: deque[tuple[bytes, int, int]] = deque(maxlen=_KEPT)


def note(sock: socket.socket) -> None:
    """A connection of our own, which is connected."""
    with contextlib.suppress(OSError):
        local, remote = sock.getsockname(), sock.getpeername()
        _noted.append((ipaddress.ip_address(remote[0].partition("%")[0]).packed, remote[1], local[1]))


def is_own(remote: bytes, remote_port: int, local_port: int) -> bool:
    """Tell whether a connection is one of them. ``remote``: the other side's address, packed."""
    return (remote, remote_port, local_port) in _noted
