# SPDX-License-Identifier: GPL-3.0-or-later
"""Is a machine there that lies on no segment of ours? Echo requests, then a connection to a port of its.

Only for those: on a segment of ours the kernel would ask everybody for the address first (ARP), which is demand for a
machine that goes to sleep just then, and says no more than our own question.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
import socket
import struct

from powernap.net.checksum import checksum

_ECHO = {4: (8, 0), 6: (128, 129)}
_FAMILY = {4: socket.AF_INET, 6: socket.AF_INET6}
_PROTOCOL = {4: socket.IPPROTO_ICMP, 6: socket.IPPROTO_ICMPV6}
_SOL_RAW, _ICMP_FILTER = 255, 1  # linux/icmp.h


async def echoes(addresses: set[str], times: int, seconds: float) -> set[str]:
    """Those that answer to one of so many echo requests, so many seconds apart (RFC 792, RFC 4443)."""
    found: set[str] = set()
    for version in (4, 6):
        asked = {text for text in addresses if ipaddress.ip_address(text).version == version}
        if asked:
            with contextlib.suppress(OSError):  # no such protocol here, or no right to a raw socket
                found |= await _echoes(version, asked, times, seconds)
    return found


async def _echoes(version: int, addresses: set[str], times: int, seconds: float) -> set[str]:
    request, reply = _ECHO[version]
    mark, found = os.getpid() & 0xFFFF, set[str]()
    with socket.socket(_FAMILY[version], socket.SOCK_RAW, _PROTOCOL[version]) as raw:
        raw.setblocking(False)
        if version == 4:
            raw.setsockopt(_SOL_RAW, _ICMP_FILTER, struct.pack("I", 0xFFFFFFFF ^ 1 << reply))
        loop = asyncio.get_running_loop()

        def read() -> None:
            with contextlib.suppress(BlockingIOError, OSError):
                while True:
                    data, sender = raw.recvfrom(2048)
                    body = data[(data[0] & 15) * 4 :] if version == 4 else data
                    if body[:1] == bytes((reply,)) and body[4:6] == struct.pack("!H", mark):
                        found.add(str(ipaddress.ip_address(sender[0].partition("%")[0])))

        loop.add_reader(raw.fileno(), read)
        try:
            for number in range(times):
                message = struct.pack("!BBHHH", request, 0, 0, mark, number)
                message = message[:2] + struct.pack("!H", checksum(message)) + message[4:]
                for address in addresses - found:
                    with contextlib.suppress(OSError):
                        raw.sendto(message, (address, 0))
                await asyncio.sleep(seconds)
        finally:
            loop.remove_reader(raw.fileno())
    return found & addresses


async def takes_connections(address: str, port: int, seconds: float) -> bool:
    """Also true where it refuses: who refuses is there."""
    family = _FAMILY[ipaddress.ip_address(address).version]
    with socket.socket(family, socket.SOCK_STREAM) as attempt:
        attempt.setblocking(False)
        try:
            await asyncio.wait_for(asyncio.get_running_loop().sock_connect(attempt, (address, port)), seconds)
        except ConnectionRefusedError:
            return True
        except (OSError, asyncio.TimeoutError):
            return False
    return True
