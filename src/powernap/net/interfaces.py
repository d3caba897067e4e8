# SPDX-License-Identifier: GPL-3.0-or-later
"""The network interfaces of this machine, read from the kernel by rtnetlink(7)."""

from __future__ import annotations

import ipaddress
import os
import socket
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property

from powernap.net import ethernet

Network = ipaddress.IPv4Interface | ipaddress.IPv6Interface

_NEWLINK, _GETLINK, _NEWADDR, _GETADDR = 16, 18, 20, 22
_ERROR, _DONE = 2, 3
_REQUEST_DUMP = 0x301
_ARPHRD_ETHER = 1
_IFF_UP, _IFF_LOOPBACK, _IFF_RUNNING = 0x1, 0x8, 0x40
_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_MASTER = 1, 3, 10
_IFA_ADDRESS, _IFA_LOCAL, _IFA_FLAGS = 1, 2, 8
_TENTATIVE_OR_FAILED = 0x40 | 0x08
_GROUP_LINK, _GROUP_IPV4, _GROUP_IPV6 = 0x1, 0x10, 0x100


@dataclass(frozen=True)
class Interface:
    name: str
    index: int
    mac: bytes
    up: bool = True
    ethernet: bool = True
    has_master: bool = False
    networks: tuple[Network, ...] = field(default=())

    @cached_property
    def ipv4(self) -> bytes | None:
        """The first IPv4 address, 4 bytes."""
        return next((n.ip.packed for n in self.networks if n.version == 4), None)

    @cached_property
    def link_local(self) -> bytes | None:
        """The IPv6 link-local address, 16 bytes."""
        return next((n.ip.packed for n in self.networks if n.version == 6 and n.ip.is_link_local), None)

    def own(self, length: int) -> tuple[bytes, ...]:
        """Own addresses of 4 or 16 bytes."""
        return tuple(n.ip.packed for n in self.networks if len(n.ip.packed) == length)


def segment_of(address: bytes, interfaces: Iterable[Interface]) -> Interface | None:
    """The interface on whose segment the address lies: the longest prefix that contains it, None where none does.

    A link-local IPv6 address lies on every segment: None.
    """
    ip = ipaddress.ip_address(address)
    best: tuple[int, Interface] | None = None
    for interface in interfaces:
        for network in interface.networks:
            if network.version != ip.version or network.ip.is_link_local or ip not in network.network:
                continue
            if best is None or network.network.prefixlen > best[0]:
                best = (network.network.prefixlen, interface)
    return best[1] if best else None


def read() -> dict[str, Interface]:
    """All interfaces by name. Raises OSError."""
    found: dict[int, Interface] = {}
    for body in _dump(_GETLINK, _NEWLINK):
        link = _link(body)
        if link is not None:
            found[link.index] = link
    for body in _dump(_GETADDR, _NEWADDR):
        index, network = _address(body)
        if network is not None and index in found:
            found[index] = replace(found[index], networks=(*found[index].networks, network))
    return {interface.name: interface for interface in found.values()}


def changes() -> socket.socket:
    """A non-blocking socket that becomes readable when a link or an address changes."""
    kernel = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
    kernel.setblocking(False)
    kernel.bind((0, _GROUP_LINK | _GROUP_IPV4 | _GROUP_IPV6))
    return kernel


def _dump(request: int, wanted: int) -> Iterator[bytes]:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as kernel:
        kernel.settimeout(5)
        kernel.bind((0, 0))
        kernel.send(struct.pack("=IHHIIB3x", 20, request, _REQUEST_DUMP, 1, 0, socket.AF_UNSPEC))
        while True:
            data = kernel.recv(1 << 17)
            while len(data) >= 16:
                length, kind = struct.unpack_from("=IH", data)
                if kind == _DONE:
                    return
                if kind == _ERROR:
                    code = -struct.unpack_from("=i", data, 16)[0]
                    raise OSError(code, f"cannot list the network interfaces: {os.strerror(code)}")
                if kind == wanted:
                    yield data[16:length]
                data = data[(length + 3) & ~3 :]


def attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Each netlink attribute in the data, as (kind, value) (linux/netlink.h, struct nlattr)."""
    while len(data) >= 4:
        length, kind = struct.unpack_from("=HH", data)
        if length < 4:
            return
        yield kind & 0x3FFF, data[4:length]
        data = data[(length + 3) & ~3 :]


def _link(body: bytes) -> Interface | None:
    hardware, index, flags = struct.unpack_from("=xxHiI", body)
    carried = dict(attributes(body[16:]))
    mac = carried.get(_IFLA_ADDRESS, b"")
    return Interface(
        name=carried[_IFLA_IFNAME].rstrip(b"\0").decode(errors="replace"),
        index=index,
        mac=mac,
        up=bool(flags & _IFF_UP and flags & _IFF_RUNNING),
        ethernet=hardware == _ARPHRD_ETHER and not flags & _IFF_LOOPBACK and len(mac) == 6 and mac != ethernet.ZERO,
        has_master=_IFLA_MASTER in carried,
    )


def _address(body: bytes) -> tuple[int, Network | None]:
    family, prefix, flags, _scope, index = struct.unpack_from("=BBBBi", body)
    carried = dict(attributes(body[8:]))
    if _IFA_FLAGS in carried:
        flags = struct.unpack("=I", carried[_IFA_FLAGS])[0]
    packed = carried.get(_IFA_LOCAL) or carried.get(_IFA_ADDRESS)
    if packed is None or flags & _TENTATIVE_OR_FAILED or family not in (socket.AF_INET, socket.AF_INET6):
        return index, None
    if family == socket.AF_INET:
        return index, ipaddress.IPv4Interface((packed, prefix))
    return index, ipaddress.IPv6Interface((packed, prefix))
