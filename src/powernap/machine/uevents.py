# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel's own word of devices that come, go or change: NETLINK_KOBJECT_UEVENT.

A classic BPF program keeps the other subsystems' events in the kernel, so they cost no wakeup.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import socket
import struct
from collections.abc import Callable, Iterable

NETLINK_KOBJECT_UEVENT = 15
KERNEL_GROUP = 1
SO_ATTACH_FILTER = 26
MESSAGE_BYTES = 8192
# linux/bpf_common.h
_LD_B, _LDX_IMM, _LD_W_X, _LD_H_X, _LD_B_X = 0x30, 0x01, 0x40, 0x48, 0x50
_JEQ, _JA, _RET = 0x15, 0x05, 0x06
_LOADS = {4: _LD_W_X, 2: _LD_H_X, 1: _LD_B_X}
_WHOLE = 0x40000
#: The NUL after "ACTION@DEVPATH" is looked for here; a longer path passes. 4 instructions each, of 4096 at most.
_FIRST, _LONGEST = 5, 700

Call = Callable[[str, str, str], None]
Instruction = tuple[int, int, int, int]


class Uevents:
    """``call(subsystem, action, devpath)`` for each event of the subsystems."""

    def __init__(self, loop: asyncio.AbstractEventLoop, subsystems: Iterable[str], call: Call) -> None:
        """Open the socket. Raises OSError."""
        self._loop, self._call = loop, call
        self._subsystems = frozenset(subsystems)
        self._socket = socket.socket(
            socket.AF_NETLINK, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT
        )
        try:
            _attach(self._socket, program(self._subsystems))
            self._socket.bind((0, KERNEL_GROUP))
        except OSError:
            self._socket.close()
            raise
        loop.add_reader(self._socket.fileno(), self._readable)

    def _readable(self) -> None:
        while True:
            try:
                message, (sender, _groups) = self._socket.recvfrom(MESSAGE_BYTES)
            except BlockingIOError:
                return
            except OSError:  # ENOBUFS: some were lost, and none can be told
                continue
            values = parse(message) if sender == 0 else {}
            if values.get("SUBSYSTEM") in self._subsystems:
                self._call(values["SUBSYSTEM"], values.get("ACTION", ""), values.get("DEVPATH", ""))

    def close(self) -> None:
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close()


def parse(message: bytes) -> dict[str, str]:
    """Return the pairs of "ACTION@DEVPATH\\0KEY=VALUE\\0..."."""
    pairs = (os.fsdecode(part).partition("=") for part in message.split(b"\0")[1:])
    return {key: value for key, equals, value in pairs if equals}


def program(subsystems: Iterable[str]) -> list[Instruction]:
    """Return the filter. lib/kobject_uevent.c writes ACTION=, DEVPATH= and SUBSYSTEM= first and in this order.

    With the first NUL at k, the value of SUBSYSTEM begins at 2k + 27.
    """
    search: list[Instruction] = []
    count = _LONGEST - _FIRST
    for index, k in enumerate(range(_FIRST, _LONGEST)):
        to_compare = 4 * (count - index) - 4 + 1  # over the rest of the search, and the return behind it
        search += [(_LD_B, 0, 0, k), (_JEQ, 0, 2, 0), (_LDX_IMM, 0, 0, 2 * k), (_JA, 0, 0, to_compare)]
    compare: list[Instruction] = []
    for name in sorted(subsystems):
        compare += _equals(name.encode() + b"\0")
    return [*search, (_RET, 0, 0, _WHOLE), *compare, (_RET, 0, 0, 0)]


def _equals(value: bytes) -> list[Instruction]:
    """Pass the message if it holds the value at X + 27, else go on behind."""
    pieces = []
    at = 0
    while at < len(value):
        size = next(size for size in (4, 2, 1) if at + size <= len(value))
        pieces.append((at, size, int.from_bytes(value[at : at + size], "big")))
        at += size
    lines: list[Instruction] = []
    for number, (offset, size, wanted) in enumerate(pieces):
        behind = 2 * (len(pieces) - number - 1) + 1
        lines += [(_LOADS[size], 0, 0, 27 + offset), (_JEQ, 0, behind, wanted)]
    return [*lines, (_RET, 0, 0, _WHOLE)]


def _attach(sock: socket.socket, instructions: list[Instruction]) -> None:
    """Raises OSError."""
    packed = b"".join(struct.pack("HBBI", *instruction) for instruction in instructions)
    memory = ctypes.create_string_buffer(packed)
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HL", len(instructions), ctypes.addressof(memory)))
