# SPDX-License-Identifier: GPL-3.0-or-later
"""A classic BPF program that knows its sleepers: some thousand addresses and cards, found by a tree of comparisons.

Addresses and cards are compared by their last four bytes: one that only looks like a sleeper's passes too.
"""

from __future__ import annotations

from collections.abc import Iterable

from powernap.net import arp, bpf, ethernet, ndp
from powernap.net.bpf import Assembler, Instruction
from powernap.net.checksum import ICMPV6, TCP, UDP

#: linux/bpf_common.h: BPF_MAXINSNS
MOST_INSTRUCTIONS = 4096
_JGT = 0x25
#: Comparisons in a row; a conditional jump reaches 255 further.
_BLOCK = 60


def program(
    own_ipv4: tuple[bytes, ...],
    own_ipv6: tuple[bytes, ...],
    sleepers: Iterable[bytes],
    cards: Iterable[bytes],
    echoes: bool = False,
) -> list[Instruction] | None:
    """As bpf.program, but what concerns no sleeper stays in the kernel, unless one of the cards asks it.

    None where they are too many for one program.
    """
    ipv4: set[int] = set()
    ipv6: set[int] = set()
    for ip in sleepers:
        (ipv4 if len(ip) == 4 else ipv6).add(int.from_bytes(ip[-4:], "big"))
    macs = {int.from_bytes(mac[-4:], "big") for mac in cards}
    if 2 * len(ipv4) + len(ipv6) + len(macs) > MOST_INSTRUCTIONS:
        return None
    a = Assembler()
    a.put(bpf.LD_W, bpf.PACKET_TYPE)
    a.put(bpf.JEQ, bpf.PACKET_OUTGOING, false="incoming")
    _outgoing(a)
    _incoming(a, own_ipv4, own_ipv6, echoes)
    _knocks(a, echoes)
    # A claim may be made in a question for another address.
    a.label("arp")
    a.put(bpf.LD_W, 28)
    _search(a, "claimed", ipv4, "not claimed")
    a.label("not claimed")
    a.label("question4")
    a.put(bpf.LD_W, 38)
    a.label("find4")
    _search(a, "ipv4", ipv4, "cards")
    a.label("find6")
    _search(a, "ipv6", ipv6, "cards")
    a.label("cards")
    a.put(bpf.LD_W, 8)
    _search(a, "cards", macs, "drop")
    a.label("pass")
    a.put(bpf.RET, bpf.WHOLE)
    a.label("drop")
    a.put(bpf.RET, 0)
    return a.program() if len(a) <= MOST_INSTRUCTIONS else None


def _outgoing(a: Assembler) -> None:
    """Questions to all, and knocks."""
    a.put(bpf.LD_H, 12)
    a.put(bpf.JEQ, ethernet.IPV4, false="not ipv4")
    a.put(bpf.JA, true="knock4")
    a.label("not ipv4")
    a.put(bpf.JEQ, ethernet.IPV6, true="own ipv6")
    a.put(bpf.JEQ, ethernet.ARP, false="own drop")
    a.put(bpf.LD_H, 20)
    a.put(bpf.JEQ, arp.REQUEST, false="own drop")
    a.put(bpf.LD_B, 0)
    a.put(bpf.JSET, 1, false="own drop")
    a.put(bpf.JA, true="question4")
    a.label("own ipv6")
    a.put(bpf.LD_B, 20)
    a.put(bpf.JEQ, ICMPV6, true="own icmp")
    a.put(bpf.JA, true="knock6")
    a.label("own icmp")
    a.put(bpf.LD_B, 54)
    a.put(bpf.JEQ, ndp.SOLICITATION, false="own drop")
    a.put(bpf.LD_B, 0)
    a.put(bpf.JSET, 1, false="own drop")
    a.put(bpf.JA, true="question6")
    a.label("own drop")
    a.put(bpf.RET, 0)


def _incoming(a: Assembler, own_ipv4: tuple[bytes, ...], own_ipv6: tuple[bytes, ...], echoes: bool) -> None:
    a.label("incoming")
    a.put(bpf.LD_H, 12)
    a.put(bpf.JEQ, ethernet.ARP, false="not arp")
    a.put(bpf.JA, true="arp")
    a.label("not arp")
    a.put(bpf.JEQ, ethernet.IPV4, true="ipv4")
    a.put(bpf.JEQ, ethernet.IPV6, true="ipv6", false="no knock")
    a.label("ipv4")
    a.put(bpf.LD_W, bpf.PACKET_TYPE)
    a.put(bpf.JEQ, bpf.PACKET_HOST, false="no knock")
    a.put(bpf.LD_W, 30)
    for address in own_ipv4[:8]:
        a.put(bpf.JEQ, int.from_bytes(address, "big"), true="no knock")
    a.put(bpf.JA, true="knock4")
    a.label("ipv6")
    a.put(bpf.LD_B, 20)
    a.put(bpf.JEQ, ICMPV6, false="ipv6 packet")
    a.put(bpf.LD_B, 54)
    a.put(bpf.JEQ, ndp.SOLICITATION, true="question6")
    a.put(bpf.JEQ, ndp.ADVERTISEMENT, true="question6", false="ipv6 packet" if echoes else "no knock")
    a.label("question6")
    a.put(bpf.LD_W, 74)
    a.put(bpf.JA, true="find6")
    a.label("ipv6 packet")
    a.put(bpf.LD_W, bpf.PACKET_TYPE)
    a.put(bpf.JEQ, bpf.PACKET_HOST, true="knock6")
    a.label("no knock")
    a.put(bpf.RET, 0)


def _knocks(a: Assembler, echoes: bool) -> None:
    a.label("knock6")
    _knock(a, bpf.LD_B, bpf.LD_H, 20, 54, "6", bpf.ECHO6 if echoes else None)
    a.put(bpf.LD_W, 50)
    a.put(bpf.JA, true="find6")
    a.label("knock4")
    a.put(bpf.LD_H, 20)
    a.put(bpf.JSET, 0x1FFF, true="no knock4")
    a.put(bpf.LDX_IP, 14)
    _knock(a, bpf.LD_B_X, bpf.LD_H_X, 23, 14, "4", bpf.ECHO4 if echoes else None)
    a.put(bpf.LD_W, 30)
    a.put(bpf.JA, true="find4")


def _knock(
    a: Assembler,
    load_byte: int,
    load_half: int,
    protocol_at: int,
    start: int,
    version: str,
    echo: tuple[int, int] | None,
) -> None:
    """TCP SYN without ACK, TCP to ssh, UDP, others' echo requests (protocol and type) if wanted; the rest ends here."""
    a.put(bpf.LD_B, protocol_at)
    if echo is not None:
        a.put(bpf.JEQ, echo[0], false=f"no echo{version}")
        a.put(load_byte, start)
        a.put(bpf.JEQ, echo[1], false=f"no knock{version}")
        a.put(bpf.LD_W, bpf.PACKET_TYPE)
        a.put(bpf.JEQ, bpf.PACKET_HOST, true=f"knocks{version}", false=f"no knock{version}")
        a.label(f"no echo{version}")
    a.put(bpf.JEQ, UDP, true=f"knocks{version}")
    if version == "6":
        bpf.first_fragment6(a, "knocks6", "no knock6")
    a.put(bpf.JEQ, TCP, false=f"no knock{version}")
    a.put(load_byte, start + 13)
    a.put(bpf.AND, bpf.SYN_OF)
    a.put(bpf.JEQ, 2, true=f"knocks{version}")
    a.put(load_half, start + 2)
    a.put(bpf.JEQ, bpf.SSH, true=f"knocks{version}")
    a.label(f"no knock{version}")
    a.put(bpf.RET, 0)
    a.label(f"knocks{version}")


def _search(a: Assembler, name: str, values: set[int], miss: str) -> None:
    """On to `pass` where the accumulator is one of the values."""
    listed = sorted(values)
    blocks = [listed[at : at + _BLOCK] for at in range(0, len(listed), _BLOCK)]
    for number, block in enumerate(blocks):
        a.put(_JGT, block[-1], true=f"{name} after {number}")
        a.put(bpf.JA, true=f"{name} block {number}")
        a.label(f"{name} after {number}")
    a.put(bpf.JA, true=miss)
    for number, block in enumerate(blocks):
        a.label(f"{name} block {number}")
        for value in block:
            a.put(bpf.JEQ, value, true=f"{name} hit {number}")
        a.put(bpf.JA, true=miss)
        a.label(f"{name} hit {number}")
        a.put(bpf.JA, true="pass")
