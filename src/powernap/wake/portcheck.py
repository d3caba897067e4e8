# SPDX-License-Identifier: GPL-3.0-or-later
"""Does a port of a host take connections? Asked by the plainest means: one is opened, and closed at once."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Callable

from powernap.wake.model import Address

_TIMEOUT_SECONDS = 1.0


class PortCheck:
    """Tells `opened(host name, address, port)`; a port that refuses or is silent is not told of."""

    def __init__(self, opened: Callable[[str, Address, int], None]) -> None:
        self._opened = opened
        self._under_way: dict[tuple[Address, int], asyncio.Task[None]] = {}

    def attempt(self, name: str, address: Address, port: int) -> None:
        """Begin an attempt, unless one is under way."""
        key = (address, port)
        if key not in self._under_way:
            task = asyncio.get_running_loop().create_task(self._connect(name, address, port))
            self._under_way[key] = task
            task.add_done_callback(lambda _task: self._under_way.pop(key, None))

    def close(self) -> None:
        for task in self._under_way.values():
            task.cancel()

    async def _connect(self, name: str, address: Address, port: int) -> None:
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_INET6 if address.is_ipv6 else socket.AF_INET, socket.SOCK_STREAM) as attempt:
            attempt.setblocking(False)
            try:
                await asyncio.wait_for(loop.sock_connect(attempt, _target(address, port)), _TIMEOUT_SECONDS)
            except (OSError, asyncio.TimeoutError):
                return
        self._opened(name, address, port)


def _target(address: Address, port: int) -> tuple[str, int] | tuple[str, int, int, int]:
    ip = ipaddress.ip_address(address.ip)
    if not address.is_ipv6:
        return str(ip), port
    return str(ip), port, 0, socket.if_nametoindex(address.segment) if ip.is_link_local else 0
