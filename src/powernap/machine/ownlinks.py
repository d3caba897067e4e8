# SPDX-License-Identifier: GPL-3.0-or-later
"""The connections of powernapd itself to its wake server: they are nobody's activity."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
from collections import deque
from urllib.parse import urlsplit

#: The newest; those before are closed, but the kernel may still show them for a while.
_KEPT = 8
_noted: deque[tuple[bytes, int, int]] = deque(maxlen=_KEPT)
#: Ports of which a name alone says too little: behind them may be anything.
_OF_ALL = (80, 443)
DEFAULT_PORT = 20709

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class _Server:
    """The wake server; ``port`` 0: none, or it cannot be told from others."""

    address: Network | None = None
    port = 0


def expect(url: str) -> None:
    """Frames from there, noted by port alone, will be answers to us. What is known by a name is not looked up."""
    parts = urlsplit(url)
    _Server.address, _Server.port = None, parts.port or DEFAULT_PORT
    try:
        _Server.address = ipaddress.ip_network(parts.hostname or "")
    except ValueError:
        if _Server.port in _OF_ALL or not url:
            _Server.port = 0


def expected() -> tuple[tuple[Network | None, int], ...]:
    """Return from where frames are no activity: an address, or None for any, and a TCP port."""
    return ((_Server.address, _Server.port),) if _Server.port else ()


def note(sock: socket.socket) -> None:
    """A connection of our own, which is connected."""
    with contextlib.suppress(OSError):
        local, remote = sock.getsockname(), sock.getpeername()
        _noted.append((ipaddress.ip_address(remote[0].partition("%")[0]).packed, remote[1], local[1]))


def is_own(remote: bytes, remote_port: int, local_port: int) -> bool:
    """Tell whether a connection is one of them. ``remote``: the other side's address, packed."""
    return (remote, remote_port, local_port) in _noted
