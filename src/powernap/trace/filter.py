# SPDX-License-Identifier: GPL-3.0-or-later
"""The classic BPF program of `powerwake trace`: what has to do with waking, and not this machine's own traffic."""

from __future__ import annotations

from powernap.net import ethernet, ndp
from powernap.net.bpf import Assembler, Instruction
from powernap.net.checksum import ICMPV6, TCP, UDP

# linux/bpf_common.h
_LD_H, _LD_B, _LD_W, _LDX_IP, _LD_B_X, _LD_W_X = 0x28, 0x30, 0x20, 0xB1, 0x50, 0x40
_JEQ, _JA, _AND, _RET = 0x15, 0x05, 0x54, 0x06
# linux/filter.h: SKF_AD_OFF + SKF_AD_PKTTYPE; linux/if_packet.h
_PACKET_TYPE = 0xFFFFF004
_PACKET_HOST, _PACKET_OUTGOING = 0, 4
_WHOLE = 0x40000
_ICMP, _ECHO, _ECHO6 = 1, 8, 128
_SYN_ACK, _SYN = 0x12, 0x02
_ALL_ONES = 0xFFFFFFFF


def program(own_ipv4: tuple[bytes, ...] = (), own_ipv6: tuple[bytes, ...] = ()) -> list[Instruction]:
    """Passes ARP, NS, NA, magic packets (EtherType, and UDP that begins so), TCP SYN, echo requests, and TCP and UDP
    that are sent to this card but to none of its addresses, or from it and from none: those are for sleepers.
    At most 8 own addresses of each kind are told apart: with more, some own traffic passes too.
    """
    a = Assembler()
    a.put(_LD_H, 12)
    a.put(_JEQ, ethernet.IPV4, true="ipv4")
    a.put(_JEQ, ethernet.IPV6, true="ipv6")
    a.put(_JEQ, ethernet.ARP, true="first pass")
    a.put(_JEQ, ethernet.MAGIC, true="first pass")
    a.put(_RET, 0)
    a.label("first pass")
    a.put(_RET, _WHOLE)

    a.label("ipv4")
    a.put(_LDX_IP, 14)
    a.put(_LD_B, 23)
    a.put(_JEQ, UDP, true="ipv4 udp")
    a.put(_JEQ, TCP, true="ipv4 tcp")
    a.put(_JEQ, _ICMP, false="drop")
    a.put(_LD_B_X, 14)
    a.put(_JEQ, _ECHO, true="pass", false="drop")
    a.label("ipv4 tcp")
    _syn(a, _LD_B_X, 14, "ipv4 stranger")
    a.label("ipv4 udp")
    a.put(_LD_W_X, 22)
    a.put(_JEQ, _ALL_ONES, true="pass")
    a.label("ipv4 stranger")
    _stranger(a, "4", 26, 30, own_ipv4)

    a.label("ipv6")
    a.put(_LD_B, 20)
    a.put(_JEQ, UDP, true="ipv6 udp")
    a.put(_JEQ, TCP, true="ipv6 tcp")
    a.put(_JEQ, ICMPV6, false="drop")
    a.put(_LD_B, 54)
    a.put(_JEQ, ndp.SOLICITATION, true="pass")
    a.put(_JEQ, ndp.ADVERTISEMENT, true="pass")
    a.put(_JEQ, _ECHO6, true="pass", false="drop")
    a.label("ipv6 tcp")
    _syn(a, _LD_B, 54, "ipv6 stranger")
    a.label("ipv6 udp")
    a.put(_LD_W, 62)
    a.put(_JEQ, _ALL_ONES, true="pass")
    a.label("ipv6 stranger")
    _stranger(a, "6", 22, 38, own_ipv6)

    a.label("pass")
    a.put(_RET, _WHOLE)
    a.label("drop")
    a.put(_RET, 0)
    return a.program()


def _syn(a: Assembler, load_byte: int, start: int, otherwise: str) -> None:
    a.put(load_byte, start + 13)
    a.put(_AND, _SYN_ACK)
    a.put(_JEQ, _SYN, true="pass")
    a.put(_JA, true=otherwise)


def _stranger(a: Assembler, name: str, source: int, destination: int, own: tuple[bytes, ...]) -> None:
    a.put(_LD_W, _PACKET_TYPE)
    a.put(_JEQ, _PACKET_HOST, true=f"in {name}")
    a.put(_JEQ, _PACKET_OUTGOING, true=f"out {name}", false="drop")
    for way, at in (("in", destination), ("out", source)):
        a.label(f"{way} {name}")
        for number, address in enumerate(own[:8]):
            for word in range(0, len(address), 4):
                a.put(_LD_W, at + word)
                value = int.from_bytes(address[word : word + 4], "big")
                last = word == len(address) - 4
                a.put(_JEQ, value, true=f"{way} own {name}" if last else "", false=f"{way} {name} not {number}")
            a.label(f"{way} {name} not {number}")
        a.put(_RET, _WHOLE)
        a.label(f"{way} own {name}")
        a.put(_RET, 0)
