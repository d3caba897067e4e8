# SPDX-License-Identifier: GPL-3.0-or-later
"""Turn a classic BPF filter into eBPF that notes, in a table, what passes: one filter, whichever the kernel takes.

A is r0, X is r7, the scratch memory r8 and r9, the context r6. Only the instructions of portfilter are known.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from powernap.machine import ebpf_assembler as asm
from powernap.machine import portfilter as cbpf
from powernap.machine.ebpf_assembler import BYTE, DOUBLE, HALF, R0, R1, R2, R6, R7, R8, R9, R10, WORD, Assembler
from powernap.machine.portfilter import Instruction

_MEMORY = (R8, R9)
_LOADS = {cbpf.LD_W: WORD, cbpf.LD_H: HALF, cbpf.LD_B: BYTE}
_LOADS_AT = {cbpf.LD_H_X: HALF, cbpf.LD_B_X: BYTE}
_ARITHMETIC = {cbpf.AND: "and", cbpf.LSH: "lsh", cbpf.RSH: "rsh", cbpf.ADD: "add"}
_JUMPS = {cbpf.JEQ: "jeq", cbpf.JGT: "jgt", cbpf.JGE: "jge", cbpf.JSET: "jset"}
#: struct __sk_buff: the fields that classic BPF reads as ancillary data, and the length
_CONTEXT = {cbpf.AD_PACKET_TYPE: 4, cbpf.AD_INTERFACE: 40}
_LENGTH = 0
#: What a table's entry holds: the newest frame's time (ns), frames, their bytes, the newest frame's port.
ENTRY = struct.Struct("=QQQQ")


@dataclass(frozen=True)
class Noted:
    """A classic program, and the entry of the table (an array) that notes what passes it."""

    program: Sequence[Instruction]
    entry: int


def noting(filters: Sequence[Noted], table: int, clock: int) -> bytes:
    """Return a socket filter that lets nothing through. ``clock``: the helper that tells the time.

    A frame that is too short for what a filter reads is noted by none of those that follow.
    """
    a = Assembler()
    a.copy(R6, R1)
    for number, each in enumerate(filters):
        if tuple(each.program) == cbpf.NOTHING:
            continue  # the verifier does not take what can never be reached
        _translate(a, each.program, f"{number} ")
        a.label(f"{number} pass")
        _note(a, each.entry, table, clock, f"{number} drop")
        a.label(f"{number} drop")
    a.mov(R0, 0)
    a.exit()
    return a.build()


def _note(a: Assembler, entry: int, table: int, clock: int, out: str) -> None:
    a.store_value(WORD, R10, -4, entry)
    a.load_map(R1, table)
    a.stack_address(R2, -4)
    a.call(asm.MAP_LOOKUP)
    a.jump("jeq", R0, 0, out)
    a.copy(R7, R0)
    a.call(clock)
    a.store(DOUBLE, R7, 0, R0)
    a.mov(R1, 1)
    a.add_atomically(DOUBLE, R7, 8, R1)
    a.load(WORD, R1, R6, _LENGTH)
    a.add_atomically(DOUBLE, R7, 16, R1)
    a.store(DOUBLE, R7, 24, R9)


def _translate(a: Assembler, program: Sequence[Instruction], prefix: str) -> None:
    for register in (R0, R7, R8, R9):
        a.mov(register, 0)
    for place, (operation, yes, no, value) in enumerate(program):
        a.label(f"{prefix}{place}")
        here = place + 1
        if operation == cbpf.JA:
            a.jump("ja", to=f"{prefix}{here + value}")
        elif operation == cbpf.RET:
            a.jump("ja", to=prefix + ("pass" if value else "drop"))
        elif operation in _JUMPS or operation == cbpf.JGT_X:
            _jump(a, operation, value, f"{prefix}{here + yes}")
            a.jump("ja", to=f"{prefix}{here + no}")
        else:
            _straight(a, operation, value)


def _jump(a: Assembler, operation: int, value: int, to: str) -> None:
    if operation == cbpf.JGT_X:
        a.jump_register("jgt", R0, R7, to)
    elif value < 1 << 31:
        a.jump(_JUMPS[operation], R0, value, to)
    else:  # as part of the instruction it would be taken for a negative number
        a.alu32("mov", R1, value)
        a.jump_register(_JUMPS[operation], R0, R1, to)


def _straight(a: Assembler, operation: int, value: int) -> None:
    if value in _CONTEXT and operation == cbpf.LD_W:
        a.load(WORD, R0, R6, _CONTEXT[value])
    elif operation in _LOADS:
        a.load_frame(_LOADS[operation], value)
    elif operation in _LOADS_AT:
        a.load_frame_at(_LOADS_AT[operation], R7, value)
    elif operation in _ARITHMETIC:
        a.alu32(_ARITHMETIC[operation], R0, value)
    elif operation == cbpf.ADD_X:
        a.alu_register("add", R0, R7)
    elif operation == cbpf.LDX:
        a.mov(R7, value)
    elif operation == cbpf.LDX_IHL:  # A is lost
        a.load_frame(BYTE, value)
        a.alu32("and", R0, 0x0F)
        a.alu32("lsh", R0, 2)
        a.copy(R7, R0)
    else:
        target, source = {
            cbpf.TAX: (R7, R0),
            cbpf.TXA: (R0, R7),
            cbpf.ST: (_MEMORY[value & 1], R0),
            cbpf.LD_MEM: (R0, _MEMORY[value & 1]),
            cbpf.LDX_MEM: (R7, _MEMORY[value & 1]),
        }[operation]
        a.copy(target, source)
