# SPDX-License-Identifier: GPL-3.0-or-later
"""A ledger of frames by local port: the kernel counts them, this process does not wake.

Two AF_PACKET sockets (IPv4, IPv6) with a classic BPF filter that passes activity on the watched ports. They are never
read, so their tiny buffer fills and the kernel only counts on: PACKET_STATISTICS tells how many frames passed since the
last look (packet(7): it counts dropped ones too, and is reset by the reading). A connection of a few milliseconds
between two looks is thus noticed. Bound to ETH_P_IP and ETH_P_IPV6, they hear incoming frames only.

Not activity: a bare SYN (so a scan of ports wakes nobody), RST, an acknowledgement without data, frames for other
machines. Not seen: IPv6 with extension headers, later fragments (the first one counts). Needs CAP_NET_RAW.
"""

from __future__ import annotations

import array
import socket
import struct
from collections.abc import Callable

Ranges = tuple[tuple[int, int], ...]
Instruction = tuple[int, int, int, int]
Line = tuple[int, str, str, int] | str  # an instruction with the labels that it jumps to, or a label

# linux/if_ether.h, linux/if_packet.h, linux/filter.h, linux/if_arp.h
ETH_P_IP, ETH_P_IPV6 = 0x0800, 0x86DD
SOL_PACKET, PACKET_STATISTICS, SO_ATTACH_FILTER = 263, 6, 26
PACKET_OTHERHOST, ARPHRD_LOOPBACK = 3, 772
AD_PACKET_TYPE, AD_HARDWARE_TYPE = 0xFFFFF000 + 4, 0xFFFFF000 + 28
FIN_OR_PUSH = 0x09

# BPF instruction codes
LD_W, LD_H, LD_B, LD_H_X, LD_B_X, LDX_IHL, LDX_MEM = 0x20, 0x28, 0x30, 0x48, 0x50, 0xB1, 0x61
ST, AND, RSH, ADD_X, JA, JEQ, JGT, JGE, JSET, JGT_X, RET = (
    0x02,
    0x54,
    0x74,
    0x0C,
    0x05,
    0x15,
    0x25,
    0x35,
    0x45,
    0x2D,
    0x06,
)


def program(family: int, protocol: int, ports: Ranges, loopback: bool) -> list[Instruction]:
    """Return the filter for frames that begin at the IP header (SOCK_DGRAM).

    ``family``: AF_INET or AF_INET6; ``protocol``: IPPROTO_TCP or IPPROTO_UDP; ``ports``: destination ports.
    """
    four = family == socket.AF_INET
    code: list[Line] = [line(LD_W, AD_PACKET_TYPE), line(JEQ, PACKET_OTHERHOST, yes="drop")]
    if not loopback:
        code += [line(LD_W, AD_HARDWARE_TYPE), line(JEQ, ARPHRD_LOOPBACK, yes="drop")]
    code += [line(LD_B, 9 if four else 6), line(JEQ, protocol, no="drop")]
    if four:
        code += [line(LD_H, 6), line(JSET, 0x1FFF, yes="drop")]  # a later fragment
    if protocol == socket.IPPROTO_TCP:
        code += _moves_data(four)
    code += [line(LDX_IHL), line(LD_H_X, 2)] if four else [line(LD_H, 42)]
    for first, last in ports:
        after = f"after {last}"
        code += [line(JGE, first, no=after), line(JGT, last, no="pass"), after]
    return _assemble([*code, line(JA, 0, yes="drop")])


def _moves_data(four: bool) -> list[Line]:
    """PSH or FIN is set, or the segment is longer than its headers."""
    code: list[Line] = [line(LDX_IHL)] if four else []
    load, at = (LD_B_X, 0) if four else (LD_B, 40)
    code += [line(load, at + 13), line(JSET, FIN_OR_PUSH, yes="moves")]
    code += [line(load, at + 12), line(AND, 0xF0), line(RSH, 2)]
    code += [line(ADD_X)] if four else []
    code += [line(ST), line(LD_H, 2 if four else 4), line(LDX_MEM), line(JGT_X, no="drop"), "moves"]
    return code


def line(operation: int, value: int = 0, yes: str = "", no: str = "") -> Line:
    """Return one instruction; a label that is not given means the next one."""
    return operation, yes, no, value


def _assemble(code: list[Line]) -> list[Instruction]:
    """Resolve the labels. A conditional jump reaches only 255 further, so "drop" and "pass" at the end go by JA."""
    lines: list[Line] = []
    for item in code:
        far = set() if isinstance(item, str) else {item[1], item[2]} & {"drop", "pass"}
        if isinstance(item, str) or item[0] == JA or not far:
            lines.append(item)
            continue
        operation, yes, no, value = item
        (target,) = far
        skip = f"skip {len(lines)}"
        lines += [
            (operation, "" if yes == target else yes or skip, "" if no == target else no or skip, value),
            line(JA, yes=target),
            skip,
        ]
    lines += ["drop", line(RET, 0), "pass", line(RET, 1)]
    places: dict[str, int] = {}
    place = 0
    for item in lines:
        if isinstance(item, str):
            places[item] = place
        else:
            place += 1
    resolved: list[Instruction] = []
    for operation, yes, no, value in (item for item in lines if not isinstance(item, str)):
        here = len(resolved) + 1
        if operation == JA:
            resolved.append((JA, 0, 0, places[yes] - here))
        else:
            resolved.append((operation, places.get(yes, here) - here, places.get(no, here) - here, value))
    return resolved


class PortLedger:
    """Counts frames on ports. Raises PermissionError without CAP_NET_RAW, OSError where the filter is refused."""

    def __init__(self, protocol: int, ports: Ranges, loopback: bool = False) -> None:
        self._sockets: list[socket.socket] = []
        try:
            for family, ethertype in ((socket.AF_INET, ETH_P_IP), (socket.AF_INET6, ETH_P_IPV6)):
                self._sockets.append(_open(ethertype, program(family, protocol, ports, loopback)))
        except OSError:
            self.close()
            raise

    def passed(self) -> int:
        """Return how many frames passed since the last call."""
        return sum(_statistics(sock) for sock in self._sockets)

    def arm(self, add_reader: Callable[[int, Callable[[], None]], None], notify: Callable[[], None]) -> None:
        """Call ``notify`` at every frame from now on, until ``disarm``."""
        for sock in self._sockets:
            _drain(sock)
            add_reader(sock.fileno(), notify)

    def disarm(self, remove_reader: Callable[[int], object]) -> None:
        for sock in self._sockets:
            remove_reader(sock.fileno())

    def close(self) -> None:
        for sock in self._sockets:
            sock.close()


def _open(ethertype: int, filter: list[Instruction]) -> socket.socket:
    kind = socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
    sock = socket.socket(socket.AF_PACKET, kind, socket.htons(ethertype))
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)  # the kernel raises it to its minimum
        # an array, for its address: ctypes may need memory that a hardened unit denies
        code = array.array("B", b"".join(struct.pack("=HBBI", *instruction) for instruction in filter))
        sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("@HP", len(filter), code.buffer_info()[0]))
        _statistics(sock)  # forget what was counted before the filter was there
    except OSError:
        sock.close()
        raise
    return sock


def _statistics(sock: socket.socket) -> int:
    packets: int = struct.unpack("=II", sock.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))[0]
    return packets


def _drain(sock: socket.socket) -> None:
    for _turn in range(1000):
        try:
            sock.recv(1)
        except BlockingIOError:
            return
