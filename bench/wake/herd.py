# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines without a kernel of their own that register with powerwaked as real ones do, many at once."""

from __future__ import annotations

import asyncio
import json
import time
from typing import NamedTuple

import aiohttp

from powernap.shared import signing
from powernap.shared.wakeapi import host_path

_AT_ONCE = 32
PORT = 20709


class Member(NamedTuple):
    name: str
    mac: str
    ipv4: str
    prefix: int


def member(number: int, network: str, prefix: int) -> Member:
    """`network`: its first two bytes, such as 198.18; machines begin at .1.0."""
    rest = 256 + number
    mac = bytes.fromhex("024c01") + number.to_bytes(3, "big")
    return Member(f"herd{number}", mac.hex(":"), f"{network}.{rest >> 8}.{rest & 255}", prefix)


async def enrol(members: list[Member], admin_socket: str) -> list[str]:
    """As an administrator. Returns their keys."""

    async def one(session: aiohttp.ClientSession, who: Member) -> str:
        body = {"macs": [who.mac], "addresses": [who.ipv4]}
        async with session.put(f"http://powerwaked{host_path(who.name)}", json=body) as answer:
            answer.raise_for_status()
            return str((await answer.json())["key"])

    return await _each(aiohttp.UnixConnector(admin_socket, limit=_AT_ONCE), one, members)


async def fall_asleep(members: list[Member], keys: list[str], server: str, tcp: str = "22,80") -> None:
    """Each says so, signed, and is acknowledged."""
    key_of = dict(zip(members, keys, strict=True))

    async def one(session: aiohttp.ClientSession, who: Member) -> str:
        card = {"name": "eth0", "mac": who.mac, "addresses": [f"{who.ipv4}/{who.prefix}"]}
        body = {"action": "suspend", "interfaces": [card], "tcp_ports": tcp, "udp_ports": "", "lease_seconds": 86400}
        data = json.dumps({**body, "password": None}).encode()
        path, sequence = f"/v1/hosts/{who.name}/asleep", time.time_ns()
        headers = {
            signing.SEQUENCE_HEADER: str(sequence),
            signing.SIGNATURE_HEADER: signing.sign(key_of[who], "POST", path, who.name, sequence, data),
        }
        async with session.post(f"http://{server}:{PORT}{path}", data=data, headers=headers) as answer:
            answer.raise_for_status()
            return await answer.text()

    await _each(aiohttp.TCPConnector(limit=_AT_ONCE), one, members)


async def _each(connector, one, members: list[Member]) -> list[str]:
    async with aiohttp.ClientSession(connector=connector) as session:
        return list(await asyncio.gather(*(one(session, who) for who in members)))
