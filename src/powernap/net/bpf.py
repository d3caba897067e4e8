# SPDX-License-Identifier: GPL-3.0-or-later
"""The classic BPF program that keeps everything but knocks and questions about addresses in the kernel."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple

from powernap.net import arp, ethernet, ip, ndp
from powernap.net.checksum import ICMPV6, TCP, UDP

# linux/bpf_common.h
LD_H, LD_B, LD_W, LDX_IP, LD_H_X, LD_B_X = 0x28, 0x30, 0x20, 0xB1, 0x48, 0x50
JEQ, JSET, JA, AND, RET = 0x15, 0x45, 0x05, 0x54, 0x06
# linux/filter.h: SKF_AD_OFF + SKF_AD_PKTTYPE; linux/if_packet.h
PACKET_TYPE = 0xFFFFF004
PACKET_HOST, PACKET_OUTGOING = 0, 4
WHOLE = 0x40000
SYN_OF = 0x17  # FIN, SYN, RST, ACK
SSH = 22
MOST_SLEEPERS = 100


class Instruction(NamedTuple):
    code: int
    jump_true: int
    jump_false: int
    k: int


#: Protocol and type of an echo request.
ECHO4, ECHO6 = (1, 8), (ICMPV6, 128)
#: The program that lets nothing pass.
NOTHING = (Instruction(RET, 0, 0, 0),)


class _Line(NamedTuple):
    code: int
    k: int
    true: str
    false: str


class Assembler:
    """Instructions with labels; "" is the next instruction. Jumps reach 255 instructions, JA any distance."""

    def __init__(self) -> None:
        self._lines: list[_Line] = []
        self._labels: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._lines)

    def label(self, name: str) -> None:
        self._labels[name] = len(self._lines)

    def put(self, code: int, k: int = 0, true: str = "", false: str = "") -> None:
        self._lines.append(_Line(code, k, true, false))

    def program(self) -> list[Instruction]:
        def distance(at: int, label: str) -> int:
            return self._labels[label] - at - 1 if label else 0

        return [
            Instruction(line.code, 0, 0, distance(at, line.true))
            if line.code == JA
            else Instruction(line.code, distance(at, line.true), distance(at, line.false), line.k)
            for at, line in enumerate(self._lines)
        ]


def program(
    own_ipv4: tuple[bytes, ...] = (),
    own_ipv6: tuple[bytes, ...] = (),
    sleepers: tuple[bytes, ...] = (),
    echoes: bool = False,
) -> list[Instruction]:
    """Passes ARP, NS and NA, and of what is sent to this card but not to the server's own addresses: TCP SYN without
    ACK, TCP to port 22, and UDP; of what this machine itself sends: the same to sleepers, and its questions to all.
    `echoes`: others' echo requests, too. At most 8 own addresses and 100 sleepers of each kind are told apart: more
    only cost time.
    """
    a = Assembler()
    a.put(LD_W, PACKET_TYPE)
    a.put(JEQ, PACKET_OUTGOING, true="outgoing")
    a.put(JA, true="incoming")
    _outgoing(a, sleepers)
    a.label("incoming")
    a.put(LD_H, 12)
    a.put(JEQ, ethernet.ARP, true="near pass")
    a.put(JEQ, ethernet.IPV4, true="ipv4")
    a.put(JEQ, ethernet.IPV6, true="ipv6")
    a.put(RET, 0)
    a.label("near pass")
    a.put(RET, WHOLE)

    a.label("ipv4")
    a.put(LD_W, PACKET_TYPE)
    a.put(JEQ, PACKET_HOST, false="drop")
    a.put(LD_W, 30)
    for address in own_ipv4[:8]:
        a.put(JEQ, int.from_bytes(address, "big"), true="drop")
    a.label("ipv4 knock")
    a.put(LD_H, 20)
    a.put(JSET, 0x1FFF, true="drop")
    a.put(LD_B, 23)
    a.put(JEQ, UDP, true="pass")
    a.put(LDX_IP, 14)
    a.put(JEQ, TCP, false="ipv4 echo")
    _tcp(a, LD_B_X, LD_H_X, 14)
    a.label("ipv4 echo")
    if echoes:
        a.put(JEQ, ECHO4[0], false="drop")
        a.put(LD_B_X, 14)
        a.put(JEQ, ECHO4[1], false="drop")
        a.put(LD_W, PACKET_TYPE)
        a.put(JEQ, PACKET_HOST, true="pass", false="drop")
    else:
        a.put(RET, 0)

    a.label("ipv6")
    a.put(LD_B, 20)
    a.put(JEQ, ICMPV6, false="ipv6 packet")
    a.put(LD_B, 54)
    a.put(JEQ, ndp.SOLICITATION, true="pass")
    a.put(JEQ, ndp.ADVERTISEMENT, true="pass", false="" if echoes else "drop")
    if echoes:
        a.put(JEQ, ECHO6[1], false="drop")
    a.label("ipv6 packet")
    a.put(LD_W, PACKET_TYPE)
    a.put(JEQ, PACKET_HOST, false="drop")
    for number, address in enumerate(own_ipv6[:8]):
        for word in range(4):
            a.put(LD_W, 38 + 4 * word)
            value = int.from_bytes(address[4 * word : 4 * word + 4], "big")
            a.put(JEQ, value, true="drop" if word == 3 else "", false=f"not own {number}")
        a.label(f"not own {number}")
    a.label("ipv6 knock")
    a.put(LD_B, 20)
    a.put(JEQ, UDP, true="pass")
    if echoes:  # the only ICMPv6 that gets here
        a.put(JEQ, ICMPV6, true="pass")
    first_fragment6(a, "pass", "drop")
    a.put(JEQ, TCP, false="drop")
    _tcp(a, LD_B, LD_H, 54)

    a.label("pass")
    a.put(RET, WHOLE)
    a.label("drop")
    a.put(RET, 0)
    return a.program()


def _outgoing(a: Assembler, sleepers: tuple[bytes, ...]) -> None:
    """A question to one card only verifies an entry that the kernel still has, five seconds after its last use: right
    after a host's own registration it does that too. Only a question to all means that somebody waits.
    """
    a.label("outgoing")
    a.put(LD_H, 12)
    a.put(JEQ, ethernet.IPV4, true="own ipv4")
    a.put(JEQ, ethernet.IPV6, true="own ipv6")
    a.put(JEQ, ethernet.ARP, false="own drop")
    a.put(LD_H, 20)
    a.put(JEQ, arp.REQUEST, true="own question", false="own drop")
    a.label("own ipv6")
    a.put(LD_B, 20)
    a.put(JEQ, ICMPV6, false="own ipv6 packet")
    a.put(LD_B, 54)
    a.put(JEQ, ndp.SOLICITATION, false="own drop")
    a.label("own question")
    a.put(LD_B, 0)
    a.put(JSET, 1, false="own drop")
    a.put(RET, WHOLE)
    a.label("own drop")
    a.put(RET, 0)
    a.label("own ipv4")
    _to_sleeper(a, 30, "ipv4 knock", [ip for ip in sleepers if len(ip) == 4])
    a.label("own ipv6 packet")
    _to_sleeper(a, 50, "ipv6 knock", [ip[12:] for ip in sleepers if len(ip) == 16])


def _to_sleeper(a: Assembler, at: int, knock: str, words: list[bytes]) -> None:
    """On to `knock` where the word of the destination at `at` is one of a sleeper."""
    if len(words) <= MOST_SLEEPERS:
        a.put(LD_W, at)
        for number, word in enumerate(words):
            a.put(JEQ, int.from_bytes(word, "big"), false=f"not {at} {number}")
            a.put(JA, true=knock)
            a.label(f"not {at} {number}")
        a.put(RET, 0)
    else:
        a.put(JA, true=knock)


def first_fragment6(a: Assembler, knock: str, drop: str) -> None:
    """On to `knock` for a datagram's first fragment. The accumulator has IPv6's next header, and keeps it otherwise."""
    a.put(JEQ, ip.FRAGMENT_HEADER, false="no fragment6")
    a.put(LD_B, 54)
    a.put(JEQ, UDP, false=drop)
    a.put(LD_H, 56)
    a.put(AND, ip.MORE6 | ip.OFFSET6)
    a.put(JEQ, ip.MORE6, true=knock, false=drop)
    a.label("no fragment6")


def _tcp(a: Assembler, load_byte: int, load_half: int, start: int) -> None:
    a.put(load_byte, start + 13)
    a.put(AND, SYN_OF)
    a.put(JEQ, 2, true="pass")
    a.put(load_half, start + 2)
    a.put(JEQ, SSH, true="pass", false="drop")


def to_bytes(instructions: Sequence[Instruction]) -> bytes:
    """An array of struct sock_filter."""
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in instructions)
