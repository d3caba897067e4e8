# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask the kernel for sockets by port: sock_diag(7), NETLINK_INET_DIAG. The kernel filters; no text is parsed."""

from __future__ import annotations

import ipaddress
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass

# linux/inet_diag.h, linux/sock_diag.h
SOCK_DIAG_BY_FAMILY = 20
INET_DIAG_REQ_BYTECODE = 1
INET_DIAG_INFO = 2
BC_SOURCE_GE, BC_SOURCE_LE = 2, 3
NLMSG_ERROR, NLMSG_DONE = 2, 3
NLM_F_REQUEST_DUMP = 0x301
ESTABLISHED, CLOSE, LISTEN = 1, 7, 10
MESSAGE_BYTES = 72  # struct inet_diag_msg
TCP_INFO_LAST_SENT, TCP_INFO_LAST_RECEIVED = 44, 52  # struct tcp_info: tcpi_last_data_sent, tcpi_last_data_recv, in ms
TCP_INFO_BYTES_ACKED = 120  # tcpi_bytes_acked and tcpi_bytes_received, since Linux 4.1

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True)
class Connection:
    """One socket. ``idle_seconds``: since data last went either way; ``moved_bytes``: that went both ways so far; None
    where the kernel did not say."""

    local: Address
    local_port: int
    remote: Address
    remote_port: int
    idle_seconds: float | None = None
    moved_bytes: int | None = None

    @property
    def inside(self) -> bool:
        """True where both ends are on this machine."""
        return self.local.is_loopback or self.remote.is_loopback or self.local == self.remote


def established(first: int, last: int) -> list[Connection]:
    """Return the open TCP connections whose local port is in the range. Raises OSError."""
    return list(_dump(socket.IPPROTO_TCP, 1 << ESTABLISHED, (first, last)))


def listening_tcp() -> list[Connection]:
    """Return the TCP sockets that listen. Raises OSError."""
    return list(_dump(socket.IPPROTO_TCP, 1 << LISTEN))


def _dump(protocol: int, states: int, ports: tuple[int, int] | None = None) -> Iterator[Connection]:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 4) as sock:
        sock.settimeout(5)
        for family in (socket.AF_INET, socket.AF_INET6):
            sock.send(request(family, protocol, states, ports))
            yield from _answers(sock)


def request(family: int, protocol: int, states: int, ports: tuple[int, int] | None) -> bytes:
    """Return the netlink message that dumps sockets (struct inet_diag_req_v2, then the port filter as bytecode)."""
    body = struct.pack("=BBBBI", family, protocol, 1 << (INET_DIAG_INFO - 1), 0, states) + bytes(48)
    if ports is not None:
        # an operation is (code, offset if true, offset if false), followed by one that holds the port;
        # an offset past the end of the program rejects
        code = struct.pack("=BBHBBH", BC_SOURCE_GE, 8, 20, 0, 0, ports[0])
        code += struct.pack("=BBHBBH", BC_SOURCE_LE, 8, 12, 0, 0, ports[1])
        body += struct.pack("=HH", 4 + len(code), INET_DIAG_REQ_BYTECODE) + code
    return struct.pack("=IHHII", 16 + len(body), SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST_DUMP, 1, 0) + body


def _answers(sock: socket.socket) -> Iterator[Connection]:
    while True:
        data = sock.recv(65536)
        at = 0
        while at < len(data):
            length, kind = struct.unpack_from("=IH", data, at)
            if kind == NLMSG_DONE:
                return
            if kind == NLMSG_ERROR:
                number = -struct.unpack_from("=i", data, at + 16)[0]
                raise OSError(number, "sock_diag")
            yield parse(data[at + 16 : at + length])
            at += (length + 3) & ~3


def parse(message: bytes) -> Connection:
    """Return one socket from the body of a netlink message."""
    family = message[0]
    local_port, remote_port = struct.unpack_from("!HH", message, 4)
    idle = moved = None
    at = MESSAGE_BYTES
    while at + 4 <= len(message):
        length, kind = struct.unpack_from("=HH", message, at)
        if kind == INET_DIAG_INFO and length >= 4 + TCP_INFO_LAST_RECEIVED + 4:
            sent = struct.unpack_from("=I", message, at + 4 + TCP_INFO_LAST_SENT)[0]
            received = struct.unpack_from("=I", message, at + 4 + TCP_INFO_LAST_RECEIVED)[0]
            idle = min(sent, received) / 1000
        if kind == INET_DIAG_INFO and length >= 4 + TCP_INFO_BYTES_ACKED + 16:
            moved = sum(struct.unpack_from("=QQ", message, at + 4 + TCP_INFO_BYTES_ACKED))
        at += max(4, (length + 3) & ~3)
    local, remote = _address(family, message, 8), _address(family, message, 24)
    return Connection(local, local_port, remote, remote_port, idle, moved)


def _address(family: int, message: bytes, at: int) -> Address:
    if family == socket.AF_INET:
        return ipaddress.IPv4Address(message[at : at + 4])
    address = ipaddress.IPv6Address(message[at : at + 16])
    return address.ipv4_mapped or address
