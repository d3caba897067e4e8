# SPDX-License-Identifier: GPL-3.0-or-later
"""Write eBPF programs: instructions by name, jumps by label (Documentation/bpf/standardization/instruction-set.rst)."""

from __future__ import annotations

import struct
import sys

R0, R1, R2, R3, R4, R5, R6, R7, R8, R9, R10 = range(11)
#: Size of a load or store, in the instruction's code.
WORD, HALF, BYTE, DOUBLE = 0x00, 0x08, 0x10, 0x18

# Helper functions of the kernel: linux/bpf.h, __BPF_FUNC_MAPPER
MAP_LOOKUP, MAP_UPDATE, MAP_DELETE = 1, 2, 3
KTIME_GET_NS, KTIME_GET_BOOT_NS = 5, 125
GET_CURRENT_PID_TGID, GET_CURRENT_UID_GID, GET_CURRENT_COMM = 14, 15, 16
SKB_STORE_BYTES, CLONE_REDIRECT, REDIRECT, SKB_LOAD_BYTES, CSUM_DIFF, SKB_CHANGE_TAIL = 9, 13, 23, 26, 28, 38

_ALU64, _ALU32, _JUMP = 0x07, 0x04, 0x05
_BY_REGISTER = 0x08
_ALU = {
    "add": 0x00,
    "sub": 0x10,
    "mul": 0x20,
    "or": 0x40,
    "and": 0x50,
    "lsh": 0x60,
    "rsh": 0x70,
    "xor": 0xA0,
    "mov": 0xB0,
}
_JUMPS = {"ja": 0x00, "jeq": 0x10, "jgt": 0x20, "jge": 0x30, "jset": 0x40, "jne": 0x50, "jlt": 0xA0, "jle": 0xB0}
_PSEUDO_MAP_FD, _PSEUDO_MAP_VALUE = 1, 2
_LITTLE = sys.byteorder == "little"


class Assembler:
    """One program in the making. Registers: r1-r5 arguments, r0 result, r6-r9 kept over calls, r10 end of the stack."""

    def __init__(self) -> None:
        self._code: list[tuple[int, int, int, int, int]] = []
        self._labels: dict[str, int] = {}
        self._jumps: dict[int, str] = {}

    def __len__(self) -> int:
        return len(self._code)

    def label(self, name: str) -> None:
        """Let ``name`` mean the next instruction."""
        if name in self._labels:
            raise ValueError(f"label {name!r} is there twice")
        self._labels[name] = len(self._code)

    def put(self, code: int, destination: int = 0, source: int = 0, offset: int = 0, value: int = 0) -> None:
        self._code.append((code, destination, source, offset, value))

    def alu(self, operation: str, register: int, value: int) -> None:
        """64 bits; the value is sign-extended from 32."""
        self.put(_ALU64 | _ALU[operation], register, value=value)

    def alu32(self, operation: str, register: int, value: int) -> None:
        """The lower 32 bits; the upper ones become zero."""
        self.put(_ALU32 | _ALU[operation], register, value=value)

    def alu_register(self, operation: str, register: int, source: int) -> None:
        self.put(_ALU64 | _BY_REGISTER | _ALU[operation], register, source)

    def mov(self, register: int, value: int) -> None:
        self.alu("mov", register, value)

    def copy(self, register: int, source: int) -> None:
        self.alu_register("mov", register, source)

    def load(self, size: int, register: int, base: int, offset: int = 0) -> None:
        self.put(0x61 | size, register, base, offset)

    def store(self, size: int, base: int, offset: int, source: int) -> None:
        self.put(0x63 | size, base, source, offset)

    def store_value(self, size: int, base: int, offset: int, value: int) -> None:
        self.put(0x62 | size, base, 0, offset, value)

    def add_atomically(self, size: int, base: int, offset: int, source: int) -> None:
        self.put(0xC3 | size, base, source, offset)

    def load_frame(self, size: int, offset: int) -> None:
        """r0 = that part of the frame, in the machine's order; r6 holds the context; r1-r5 are lost.

        Past the frame's end the program ends with 0.
        """
        self.put(0x20 | size, value=offset)

    def load_frame_at(self, size: int, register: int, offset: int) -> None:
        """The same, ``offset`` behind what the register says."""
        self.put(0x40 | size, 0, register, value=offset)

    def load_number(self, register: int, value: int) -> None:
        """register = 64 bits."""
        self.put(0x18, register, value=value & 0xFFFFFFFF)
        self.put(0, value=value >> 32)

    def load_map(self, register: int, fd: int) -> None:
        self.put(0x18, register, _PSEUDO_MAP_FD, 0, fd)
        self.put(0)

    def load_map_value(self, register: int, fd: int, offset: int = 0) -> None:
        """register = the address of that byte of the only entry of an array (Linux 5.2)."""
        self.put(0x18, register, _PSEUDO_MAP_VALUE, 0, fd)
        self.put(0, value=offset)

    def from_network(self, register: int, bits: int) -> None:
        """Turn the lower 16 or 32 bits from network order to the machine's, or back; the upper ones become zero."""
        self.put(0xDC, register, value=bits)

    def stack_address(self, register: int, offset: int) -> None:
        self.copy(register, R10)
        self.alu("add", register, offset)

    def call(self, helper: int) -> None:
        self.put(0x85, value=helper)

    def jump(self, condition: str, register: int = 0, value: int = 0, to: str = "") -> None:
        """Compares as unsigned; the value is sign-extended from 32 bits."""
        self._jumps[len(self._code)] = to
        self.put(_JUMP | _JUMPS[condition], register, value=value)

    def jump_register(self, condition: str, register: int, source: int, to: str) -> None:
        self._jumps[len(self._code)] = to
        self.put(_JUMP | _BY_REGISTER | _JUMPS[condition], register, source)

    def exit(self) -> None:
        self.put(0x95)

    def build(self) -> bytes:
        """Return the instructions. Raises KeyError for a jump to nowhere, struct.error for one too far."""
        packed = []
        for place, (code, destination, source, offset, value) in enumerate(self._code):
            if place in self._jumps:
                offset = self._labels[self._jumps[place]] - place - 1
            registers = destination | source << 4 if _LITTLE else destination << 4 | source
            packed.append(struct.pack("=BBhI", code, registers, offset, value & 0xFFFFFFFF))
        return b"".join(packed)
