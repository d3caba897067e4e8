# SPDX-License-Identifier: GPL-3.0-or-later
"""Counts magic packets for this machine's own NICs in the kernel: no port is bound and no packet is read."""

from __future__ import annotations

import array
import fcntl
import socket
import struct

from powernap.net import bpf, ethernet, interfaces, magicfilter

# linux/if_packet.h, asm-generic/socket.h, linux/ethtool.h, linux/sockios.h
SOL_PACKET, PACKET_STATISTICS, SO_ATTACH_FILTER = 263, 6, 26
SIOCETHTOOL, ETHTOOL_GPERMADDR = 0x8946, 0x20
ETHERTYPES = (ethernet.MAGIC, ethernet.IPV4, ethernet.IPV6)
MAC_BYTES = 6


def own_macs() -> frozenset[bytes]:
    """Return the addresses of all Ethernet interfaces, present and permanent: a member of a bond has both.

    Raises OSError.
    """
    macs = set()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for interface in interfaces.read().values():
            if interface.ethernet:
                macs |= {interface.mac, _permanent(sock, interface.name)}
    return frozenset(mac for mac in macs if any(mac))


def _permanent(sock: socket.socket, interface: str) -> bytes:
    """Return the address that the card was made with, b"" where it does not say."""
    # an array, for its address: ctypes may need memory that a hardened unit denies
    command = array.array("B", struct.pack("=II", ETHTOOL_GPERMADDR, MAC_BYTES) + bytes(32))
    try:
        fcntl.ioctl(sock, SIOCETHTOOL, struct.pack("16sP16x", interface.encode(), command.buffer_info()[0]))
    except OSError:
        return b""
    return command.tobytes()[8 : 8 + MAC_BYTES]


class MagicLedger:
    """Raises PermissionError without CAP_NET_RAW, OSError where a filter is refused."""

    def __init__(self, ports: magicfilter.PortRanges) -> None:
        self._ports = ports
        self._macs: frozenset[bytes] = frozenset()
        self._sockets: list[socket.socket] = []
        try:
            for ethertype in ETHERTYPES:
                kind = socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
                sock = socket.socket(socket.AF_PACKET, kind, socket.htons(ethertype))
                self._sockets.append(sock)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)  # the kernel raises it to its minimum
                _attach(sock, magicfilter.program(ethertype, (), ports))
            self.passed()  # forget what came before the filters were there
        except OSError:
            self.close()
            raise

    def refresh(self) -> frozenset[bytes]:
        """Look for the NICs' addresses again, and return them. Raises OSError."""
        macs = own_macs()
        if macs != self._macs:
            for sock, ethertype in zip(self._sockets, ETHERTYPES, strict=True):
                _attach(sock, magicfilter.program(ethertype, sorted(macs), self._ports))
            self._macs = macs
        return macs

    def passed(self) -> int:
        """Return how many came since the last call, and forget them."""
        count = 0
        for sock in self._sockets:
            count += struct.unpack("=II", sock.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))[0]
            _drain(sock)
        return count

    def files(self) -> list[int]:
        """Return the descriptors; one becomes readable when a magic packet comes."""
        return [sock.fileno() for sock in self._sockets]

    def close(self) -> None:
        for sock in self._sockets:
            sock.close()
        self._sockets = []


def _attach(sock: socket.socket, program: list[bpf.Instruction]) -> None:
    code = array.array("B", bpf.to_bytes(program))
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("@HP", len(program), code.buffer_info()[0]))


def _drain(sock: socket.socket) -> None:
    """The filter passes one byte of each, and the buffer holds a few."""
    for _turn in range(1000):
        try:
            sock.recv(1)
        except BlockingIOError:
            return
