# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter for frames that are activity on watched ports, in classic BPF. Pure.

Frames begin at the IP header (SOCK_DGRAM). Not activity: a bare SYN (so a scan of ports wakes nobody), RST, an
acknowledgement without data (so a keepalive does not), frames for other machines. Later fragments have no ports: the
first one counts.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

Ranges = tuple[tuple[int, int], ...]
Network = IPv4Network | IPv6Network
Instruction = tuple[int, int, int, int]
Line = tuple[int, str, str, int] | str  # an instruction with the labels that it jumps to, or a label

# linux/if_packet.h, linux/filter.h, net/core/dev.h: a namespace's loopback is always its first device
AD_PACKET_TYPE, AD_INTERFACE = 0xFFFFF000 + 4, 0xFFFFF000 + 8
PACKET_OTHERHOST, LOOPBACK_INTERFACE = 3, 1
FIN_OR_PUSH = 0x09

# BPF instruction codes
LD_W, LD_H, LD_B, LD_H_X, LD_B_X = 0x20, 0x28, 0x30, 0x48, 0x50
LDX, LDX_IHL, LDX_MEM, LD_MEM, ST, TAX, TXA = 0x01, 0xB1, 0x61, 0x60, 0x02, 0x07, 0x87
AND, LSH, RSH, ADD, ADD_X = 0x54, 0x64, 0x74, 0x04, 0x0C
JA, JEQ, JGT, JGE, JSET, JGT_X, RET = 0x05, 0x15, 0x25, 0x35, 0x45, 0x2D, 0x06

#: The program that drops every frame.
NOTHING: tuple[Instruction, ...] = ((RET, 0, 0, 0),)
#: Places in the scratch memory. The watched port stays in PORT when a frame passes.
SCRATCH, PORT = 0, 1

# Next headers of IPv6 (RFC 8200): those of the form (next header, length in 8 bytes less one), and fragments
HOP_BY_HOP, ROUTING, FRAGMENT, DESTINATION = 0, 43, 44, 60
#: More extension headers than these before TCP or UDP hide the ports.
MOST_EXTENSIONS = 3
IPV6_HEADER_BYTES = 40


@dataclass(frozen=True)
class Traffic:
    """What is watched. ``remote``: the ports are those of the other machine, whose service this one uses.

    ``networks``: of the other machine's address, empty for all; ``exceptions``: of it, too. ``own``: senders, each an
    address, None for any, with a port, whose frames are answers to powernapd itself.
    """

    protocol: int
    ports: Ranges
    loopback: bool = False
    remote: bool = False
    networks: tuple[Network, ...] = ()
    exceptions: tuple[Network, ...] = ()
    own: tuple[tuple[Network | None, int], ...] = ()


def program(family: int, traffic: Traffic) -> list[Instruction]:
    """Return the filter. ``family``: AF_INET or AF_INET6."""
    four = family == socket.AF_INET
    version = 4 if four else 6
    if traffic.networks and not any(network.version == version for network in traffic.networks):
        return list(NOTHING)
    code: list[Line] = [line(LD_W, AD_PACKET_TYPE), line(JEQ, PACKET_OTHERHOST, yes="drop")]
    if not traffic.loopback:
        code += [line(LD_W, AD_INTERFACE), line(JEQ, LOOPBACK_INTERFACE, yes="drop")]
    code += _header4(traffic.protocol) if four else _header6(traffic.protocol)
    for network in traffic.exceptions:
        if network.version == version:
            code += _within(network, "drop")
    for number, (sender, port) in enumerate(traffic.own):
        code += [line(LD_H_X, 0), line(JEQ, port, no=f"not own {number}")]
        code += (
            [line(JA, yes="drop")] if sender is None else _within(sender, "drop") if sender.version == version else []
        )
        code += [f"not own {number}"]
    if traffic.networks:
        for network in traffic.networks:
            if network.version == version:
                code += _within(network, "a network")
        code += [line(JA, yes="drop"), "a network"]
    code += [line(LD_H_X, 0 if traffic.remote else 2)]
    for first, last in traffic.ports:
        after = f"after {last}"
        code += [line(JGE, first, no=after), line(JGT, last, yes=after), line(JA, yes="a port"), after]
    code += [line(JA, yes="drop"), "a port", line(ST, PORT)]
    if traffic.protocol == socket.IPPROTO_TCP:
        code += _moves_data(four)
    return _assemble([*code, line(JA, yes="pass")])


def _header4(protocol: int) -> list[Line]:
    """X = where TCP or UDP begins."""
    return [
        line(LD_B, 9),
        line(JEQ, protocol, no="drop"),
        line(LD_H, 6),
        line(JSET, 0x1FFF, yes="drop"),  # a later fragment
        line(LDX_IHL),
    ]


def _header6(protocol: int) -> list[Line]:
    code: list[Line] = [line(LDX, IPV6_HEADER_BYTES), line(LD_B, 6)]
    for number in range(MOST_EXTENSIONS):
        variable, fragment, following = f"variable {number}", f"fragment {number}", f"following {number}"
        code += [line(JEQ, protocol, no=f"not yet {number}"), line(JA, yes="transport"), f"not yet {number}"]
        code += [line(JEQ, kind, yes=variable) for kind in (HOP_BY_HOP, ROUTING, DESTINATION)]
        code += [line(JEQ, FRAGMENT, yes=fragment), line(JA, yes="drop")]
        code += [fragment, line(LD_H_X, 2), line(JSET, 0xFFF8, yes="drop"), line(LD_B_X, 0), line(ST, SCRATCH)]
        code += [line(TXA), line(ADD, 8), line(JA, yes=following)]
        code += [variable, line(LD_B_X, 0), line(ST, SCRATCH), line(LD_B_X, 1), line(LSH, 3), line(ADD, 8)]
        code += [line(ADD_X), following, line(TAX), line(LD_MEM, SCRATCH)]
    return [*code, line(JEQ, protocol, no="drop"), "transport"]


def _within(network: Network, label: str) -> list[Line]:
    """Jump to the label if the sender is of that network."""
    begin = 12 if network.version == 4 else 8
    outside = f"outside {network} {label}"
    code: list[Line] = []
    address, mask = network.network_address.packed, network.netmask.packed
    for at in range(0, len(mask), 4):
        part = int.from_bytes(mask[at : at + 4], "big")
        if part == 0:
            break
        code += [line(LD_W, begin + at), line(AND, part)]
        code += [line(JEQ, int.from_bytes(address[at : at + 4], "big"), no=outside)]
    return [*code, line(JA, yes=label), outside]


def _moves_data(four: bool) -> list[Line]:
    """Drop unless PSH or FIN is set, or the segment is longer than its headers."""
    return [
        line(LD_B_X, 13),
        line(JSET, FIN_OR_PUSH, yes="moves"),
        line(LD_B_X, 12),
        line(AND, 0xF0),
        line(RSH, 2),
        line(ADD_X),
        line(ST, SCRATCH),
        line(LD_H, 2 if four else 4),
        line(ADD, 0 if four else IPV6_HEADER_BYTES),
        line(LDX_MEM, SCRATCH),
        line(JGT_X, no="drop"),
        "moves",
    ]


def line(operation: int, value: int = 0, yes: str = "", no: str = "") -> Line:
    """Return one instruction; a label that is not given means the next one."""
    return operation, yes, no, value


def _assemble(code: list[Line]) -> list[Instruction]:
    """Resolve the labels. A conditional jump reaches only 255 further, so "drop" goes by JA."""
    lines: list[Line] = []
    for item in code:
        if isinstance(item, str) or item[0] == JA or "drop" not in item[1:3]:
            lines.append(item)
            continue
        operation, yes, no, value = item
        skip = f"skip {len(lines)}"
        lines += [
            (operation, "" if yes == "drop" else yes or skip, "" if no == "drop" else no or skip, value),
            line(JA, yes="drop"),
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
