# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines without a kernel of their own that register with powerwaked as real ones do, many at once."""

from __future__ import annotations

import asyncio
import ssl
import time
from typing import NamedTuple

import aiohttp

from powernap.shared.envelope import TO_CLIENT, TO_SERVER, Message, read, seal

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
    """As an administrator, all by one request. Returns their keys."""
    body = {"hosts": [{"name": who.name, "macs": [who.mac], "addresses": [who.ipv4]} for who in members]}
    async with (
        aiohttp.ClientSession(connector=aiohttp.UnixConnector(admin_socket)) as session,
        session.put("http://powerwaked/api/v1/hosts", json=body) as answer,
    ):
        answer.raise_for_status()
        return [host["key"] for host in (await answer.json())["hosts"]]


async def fall_asleep(members: list[Member], keys: list[str], server: str, tcp: str = "22,80") -> None:
    """Each says so, signed, and is acknowledged."""
    key_of = dict(zip(members, keys, strict=True))
    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # a bench's own server: whoever it is
    trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE

    async def one(session: aiohttp.ClientSession, who: Member) -> None:
        card = {"name": "eth0", "mac": who.mac, "addresses": [f"{who.ipv4}/{who.prefix}"]}
        body = {"action": "suspend", "interfaces": [card], "tcp_ports": tcp, "udp_ports": "", "lease_seconds": 86400}
        message = Message(who.name, "asleep", time.time_ns(), {**body, "password": None})
        text = seal(key_of[who], TO_SERVER, message)
        async with session.post(f"https://{server}:{PORT}/api/v1/messages", data=text, ssl=trust) as answer:
            answer.raise_for_status()
            said = read((await answer.text()).strip()).opened(key_of[who], TO_CLIENT)
            if not said.body["ok"]:
                raise RuntimeError(said.body["error"])

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=_AT_ONCE)) as session:
        await asyncio.gather(*(one(session, who) for who in members))
