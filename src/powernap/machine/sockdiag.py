# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask the kernel for sockets by port: sock_diag(7), NETLINK_INET_DIAG. The kernel filters; no text is parsed."""

from __future__ import annotations

import errno
import ipaddress
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from powernap.shared.ports import Ranges

# linux/inet_diag.h, linux/sock_diag.h; TCPDIAG_GETSOCK is the older request, which alone dumps both families at once
TCPDIAG_GETSOCK, SOCK_DIAG_BY_FAMILY = 18, 20
INET_DIAG_REQ_BYTECODE = 1
INET_DIAG_INFO = 2
BC_JUMP, BC_SOURCE_GE, BC_SOURCE_LE, BC_DESTINATION_GE, BC_DESTINATION_LE = 1, 2, 3, 4, 5
NLMSG_ERROR, NLMSG_DONE = 2, 3
NLM_F_REQUEST_DUMP = 0x301
# net/tcp_states.h
ESTABLISHED, FIN_WAIT1, FIN_WAIT2, CLOSE_WAIT, LISTEN = 1, 4, 5, 8, 10
#: States in which data may still move.
OPEN = 1 << ESTABLISHED | 1 << FIN_WAIT1 | 1 << FIN_WAIT2 | 1 << CLOSE_WAIT
EXTENSIONS = 1 << (INET_DIAG_INFO - 1)
MESSAGE_BYTES = 72  # struct inet_diag_msg
COOKIE_AT = 44
# struct tcp_info: tcpi_last_data_sent and tcpi_last_data_recv in ms; tcpi_bytes_acked and tcpi_bytes_received
TCP_INFO_LAST_SENT, TCP_INFO_LAST_RECEIVED, TCP_INFO_BYTES = 44, 52, 120

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True)
class Connection:
    """One socket. ``idle_seconds``: since data last went either way; ``moved_bytes``: that went both ways so far; None
    where the kernel did not say. ``key`` names the socket as long as the machine runs."""

    family: int
    local_bytes: bytes
    local_port: int
    remote_bytes: bytes
    remote_port: int
    key: bytes = b""
    idle_seconds: float | None = None
    moved_bytes: int | None = None

    @property
    def local(self) -> Address:
        return _address(self.family, self.local_bytes)

    @property
    def remote(self) -> Address:
        return _address(self.family, self.remote_bytes)

    @property
    def inside(self) -> bool:
        """True where both ends are on this machine."""
        if self.local_bytes == self.remote_bytes:
            return True
        return self.local.is_loopback or self.remote.is_loopback


def established(ports: Ranges, remote: bool = False) -> list[Connection]:
    """Return the open TCP connections whose local (or remote) port is in one of the ranges. Raises OSError."""
    return _dump(OPEN, port_filter(ports, remote))


def listening_tcp() -> list[Connection]:
    """Return the TCP sockets that listen. Raises OSError."""
    return _dump(1 << LISTEN)


def _dump(states: int, code: bytes = b"") -> list[Connection]:
    """One pass over the kernel's sockets, where it knows the older request; else one for each family."""
    try:
        return _ask(both_families(states, code))
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOENT, errno.EOPNOTSUPP):
            raise
    return [found for family in (socket.AF_INET, socket.AF_INET6) for found in _ask(request(family, states, code))]


def _ask(message: bytes) -> list[Connection]:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 4) as sock:
        sock.settimeout(5)
        sock.send(message)
        return list(_answers(sock))


def both_families(states: int, code: bytes = b"") -> bytes:
    """Return the netlink message that dumps TCP sockets of both (struct inet_diag_req), filtered by bytecode."""
    return _message(TCPDIAG_GETSOCK, struct.pack("=BBBB48xII", 0, 0, 0, EXTENSIONS, states, 0), code)


def request(family: int, states: int, code: bytes = b"") -> bytes:
    """The same for TCP sockets of one family (struct inet_diag_req_v2)."""
    body = struct.pack("=BBBBI48x", family, socket.IPPROTO_TCP, EXTENSIONS, 0, states)
    return _message(SOCK_DIAG_BY_FAMILY, body, code)


def _message(kind: int, body: bytes, code: bytes) -> bytes:
    if code:
        body += struct.pack("=HH", 4 + len(code), INET_DIAG_REQ_BYTECODE) + code
    return struct.pack("=IHHII", 16 + len(body), kind, NLM_F_REQUEST_DUMP, 1, 0) + body


def port_filter(ports: Ranges, remote: bool = False) -> bytes:
    """Return the bytecode that accepts sockets whose local (or remote) port is in one of the ranges.

    An operation is (code, offset if true, offset if false); that of a comparison is followed by one that holds the
    port. An offset to the end of the program accepts, one past it rejects.
    """
    above, below = (BC_DESTINATION_GE, BC_DESTINATION_LE) if remote else (BC_SOURCE_GE, BC_SOURCE_LE)
    code = b""
    for first, last in reversed(ports):
        accept = struct.pack("=BBH", BC_JUMP, 4, 4 + len(code)) if code else b""
        # 20 and 12: to the next range past the jump, or past the end
        block = struct.pack("=BBHBBH", above, 8, 20, 0, 0, first) + struct.pack("=BBHBBH", below, 8, 12, 0, 0, last)
        code = block + accept + code
    return code


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
        if kind == INET_DIAG_INFO:
            idle, moved = _info(message[at + 4 : at + length])
        at += max(4, (length + 3) & ~3)
    size = 4 if family == socket.AF_INET else 16
    return Connection(
        family,
        message[8 : 8 + size],
        local_port,
        message[24 : 24 + size],
        remote_port,
        message[COOKIE_AT : COOKIE_AT + 8],
        idle,
        moved,
    )


def _info(info: bytes) -> tuple[float | None, int | None]:
    """Return idle seconds and moved bytes from a struct tcp_info; before Linux 4.1 it was shorter."""
    if len(info) < TCP_INFO_LAST_RECEIVED + 4:
        return None, None
    sent = struct.unpack_from("=I", info, TCP_INFO_LAST_SENT)[0]
    received = struct.unpack_from("=I", info, TCP_INFO_LAST_RECEIVED)[0]
    if len(info) < TCP_INFO_BYTES + 16:
        return min(sent, received) / 1000, None
    return min(sent, received) / 1000, sum(struct.unpack_from("=QQ", info, TCP_INFO_BYTES))


def _address(family: int, packed: bytes) -> Address:
    if family == socket.AF_INET:
        return ipaddress.IPv4Address(packed)
    address = ipaddress.IPv6Address(packed)
    return address.ipv4_mapped or address
