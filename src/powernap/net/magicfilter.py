# SPDX-License-Identifier: GPL-3.0-or-later
"""Classic BPF programs that pass magic packets for own NICs, and nothing else (AMD publication 20213).

They are for sockets of one EtherType each that begin behind the Ethernet header (SOCK_DGRAM). The packet is compared
whole; what follows it, such as a SecureOn password, is not looked at. One that does not begin the payload is not
seen, nor one in a later fragment or behind IP options or extension headers: no sender does that.
"""

from __future__ import annotations

from collections.abc import Iterable

from powernap.net import ethernet
from powernap.net.bpf import Assembler, Instruction
from powernap.net.checksum import UDP

PortRanges = tuple[tuple[int, int], ...]

# linux/bpf_common.h, linux/filter.h, linux/if_packet.h, linux/if_arp.h
_LD_W, _LD_H, _LD_B, _TAX, _JA, _JEQ, _JEQ_X, _JGT, _JGE, _JSET, _RET = (
    *(0x20, 0x28, 0x30, 0x07),
    *(0x05, 0x15, 0x1D, 0x25, 0x35, 0x45, 0x06),
)
_PACKET_TYPE, _HARDWARE_TYPE = 0xFFFFF004, 0xFFFFF01C
_OTHERHOST, _LOOPBACK = 3, 772
_COPIES, _SYNC, _MAC = 16, 6, 6


def program(ethertype: int, macs: Iterable[bytes], ports: PortRanges) -> list[Instruction]:
    """``ethertype``: 0x0842, IPv4 or IPv6; ``ports``: UDP destination ports, first and last each."""
    a = Assembler()
    a.put(_LD_W, _PACKET_TYPE)
    a.put(_JEQ, _OTHERHOST, true="drop")
    a.put(_LD_W, _HARDWARE_TYPE)
    a.put(_JEQ, _LOOPBACK, true="drop")
    at = 0
    if ethertype == ethernet.IPV4:
        at = 28
        a.put(_LD_B, 0)
        a.put(_JEQ, 0x45, false="drop")
        a.put(_LD_H, 6)
        a.put(_JSET, 0x1FFF, true="drop")
        _udp(a, 9, 22)
    elif ethertype == ethernet.IPV6:
        at = 48
        _udp(a, 6, 42)
    a.put(_JA, true="ports" if at else "payload")
    a.label("drop")
    a.put(_RET, 0)
    if at:
        _ports(a, ports)
    a.label("payload")
    _magic(a, at, tuple(macs))
    return a.program()


def _udp(a: Assembler, protocol_at: int, port_at: int) -> None:
    a.put(_LD_B, protocol_at)
    a.put(_JEQ, UDP, false="drop")
    a.put(_LD_H, port_at)


def _ports(a: Assembler, ports: PortRanges) -> None:
    a.label("ports")
    for number, (first, last) in enumerate(ports):
        a.put(_JGE, first, false=f"not {number}")
        a.put(_JGT, last, true=f"not {number}")
        a.put(_JA, true="payload")
        a.label(f"not {number}")
    a.put(_RET, 0)


def _magic(a: Assembler, at: int, macs: tuple[bytes, ...]) -> None:
    first = at + _SYNC
    a.put(_LD_W, at)
    a.put(_JEQ, 0xFFFFFFFF, false="other")
    a.put(_LD_H, at + 4)
    a.put(_JEQ, 0xFFFF, true="macs")
    a.label("other")
    a.put(_RET, 0)
    a.label("macs")
    for number, mac in enumerate(macs):
        a.put(_LD_W, first)
        a.put(_JEQ, int.from_bytes(mac[:4], "big"), false=f"mac {number}")
        a.put(_LD_H, first + 4)
        a.put(_JEQ, int.from_bytes(mac[4:], "big"), false=f"mac {number}")
        a.put(_JA, true="copies")
        a.label(f"mac {number}")
    a.put(_RET, 0)
    a.label("copies")
    for load, offset in ((_LD_W, 0), (_LD_H, 4)):
        a.put(load, first + offset)
        a.put(_TAX)
        for copy in range(1, _COPIES):
            a.put(load, first + offset + _MAC * copy)
            a.put(_JEQ_X, false="differs")
    a.put(_RET, 1)
    a.label("differs")
    a.put(_RET, 0)
