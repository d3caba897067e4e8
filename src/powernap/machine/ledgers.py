# SPDX-License-Identifier: GPL-3.0-or-later
"""A ledger of program names, kept by the kernel: when a process of that name last began or ended.

Two eBPF programs on the tracepoints sched_process_exec and sched_process_exit stamp a table; nothing here wakes for it.
The name is the kernel's own (comm: the file that was executed, its first 15 bytes): of a process that is gone nothing
else is known. One that renames itself is stamped at its end under the name it was executed under. Threads count not.

The tracepoints see every process of the machine, so the ledger serves in the initial namespace of processes only.
"""

from __future__ import annotations

import errno
import struct
from dataclasses import dataclass
from pathlib import Path

from powernap.machine import clocks, ebpf
from powernap.machine import ebpf_assembler as asm
from powernap.machine.ebpf_assembler import DOUBLE, R0, R1, R2, R3, R4, R6, R7, R10, WORD, Assembler

COMM_BYTES = 16
#: A key of the table: comm, then the user's number and four bytes of nothing.
KEY = struct.Struct("=16sIxxxx")
STAMP = struct.Struct("=Q")
#: So many names are kept; the kernel forgets those that were not stamped for the longest time.
NAMES = 4096
#: Processes whose first name is remembered until their end.
PROCESSES = 8192
#: With more new names than this between two looks the kernel may have forgotten one of them.
MOST_NEW_NAMES = NAMES // 4
#: include/linux/proc_ns.h: PROC_PID_INIT_INO
INITIAL_PID_NAMESPACE = "pid:[4026531836]"
EXEC, EXIT = "sched_process_exec", "sched_process_exit"

# Places on the program's stack
_KEY, _STAMP, _ZERO, _PID = -24, -32, -36, -40


@dataclass(frozen=True)
class Name:
    """When (CLOCK_BOOTTIME, seconds) processes of that name and user last began or ended."""

    comm: str
    uid: int
    last: float


def in_initial_namespace(proc: Path = Path("/proc")) -> bool:
    """Tell whether this process is in the machine's own namespace of processes, not a container's."""
    try:
        return str((proc / "self/ns/pid").readlink()) == INITIAL_PID_NAMESPACE
    except OSError:
        return False


class ProcessLedger:
    """The ledger, from its making on. Raises OSError where it cannot be had here; its text says why."""

    def __init__(self, tracepoints: tuple[str, str] = (EXEC, EXIT)) -> None:
        if not in_initial_namespace():
            raise OSError(errno.EXDEV, "in a container's namespace of processes")
        self._held: list[ebpf.Held] = []
        self._seen_new = 0
        try:
            self._names = self._keep(ebpf.Map(ebpf.LRU_HASH, KEY.size, STAMP.size, NAMES, "pn_names"))
            self._firsts = self._keep(ebpf.Map(ebpf.LRU_HASH, 4, COMM_BYTES, PROCESSES, "pn_firsts"))
            self._new = self._keep(ebpf.Map(ebpf.ARRAY, 4, 8, 1, "pn_new"))
            self.boottime = self._attach(tracepoints)
        except OSError:
            self.close()
            raise

    def _keep(self, table: ebpf.Map) -> ebpf.Map:
        self._held.append(table)
        return table

    def _attach(self, tracepoints: tuple[str, str]) -> bool:
        """Return whether the stamps are of CLOCK_BOOTTIME, for which the kernel has a helper since Linux 5.8."""
        try:
            programs = [self._program(ended, asm.KTIME_GET_BOOT_NS) for ended in (False, True)]
            boottime = True
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.EACCES):
                raise
            programs = [self._program(ended, asm.KTIME_GET_NS) for ended in (False, True)]
            boottime = False
        for tracepoint, program in zip(tracepoints, programs, strict=True):
            self._held.append(program)
            try:
                self._held.append(ebpf.RawTracepoint(tracepoint, program))
            except FileNotFoundError:
                raise OSError(errno.ENOENT, f"the kernel has no tracepoint {tracepoint}") from None
        return boottime

    def _program(self, ended: bool, clock: int) -> ebpf.Program:
        code = program(ended, clock, self._names.fd, self._firsts.fd, self._new.fd)
        return ebpf.Program(ebpf.RAW_TRACEPOINT, code, "pn_ended" if ended else "pn_began")

    def names(self) -> list[Name]:
        """Return everything that is noted."""
        offset = 0.0 if self.boottime else clocks.from_monotonic(0.0)
        found = []
        for key, value in self._names.items():
            comm, uid = KEY.unpack(key)
            text = comm.split(b"\0", 1)[0].decode(errors="replace")
            found.append(Name(text, uid, STAMP.unpack(value)[0] / 1e9 + offset))
        return found

    def new_names(self) -> int:
        """Return how many entries were made so far."""
        value = self._new.lookup(bytes(4))
        return 0 if value is None else int(STAMP.unpack(value)[0])

    def close(self) -> None:
        for held in reversed(self._held):
            held.close()
        self._held.clear()


def program(ended: bool, clock: int, names: int, firsts: int, new: int) -> bytes:
    """Return the program for a process that has executed a file, or that ends. The tables are file descriptors."""
    a = Assembler()
    a.call(asm.GET_CURRENT_PID_TGID)
    a.copy(R7, R0)
    a.alu("rsh", R7, 32)  # the process
    if ended:
        a.alu("lsh", R0, 32)
        a.alu("rsh", R0, 32)  # the thread
        a.jump_register("jne", R0, R7, "out")
    a.store(WORD, R10, _PID, R7)
    for at in range(_KEY, 0, 8):
        a.store_value(DOUBLE, R10, at, 0)
    a.stack_address(R1, _KEY)
    a.mov(R2, COMM_BYTES)
    a.call(asm.GET_CURRENT_COMM)
    if ended:
        _take_first_name(a, firsts)
    else:
        _update(a, firsts, _PID, _KEY)
    a.call(asm.GET_CURRENT_UID_GID)
    a.store(WORD, R10, _KEY + COMM_BYTES, R0)
    a.call(clock)
    a.copy(R6, R0)
    a.load_map(R1, names)
    a.stack_address(R2, _KEY)
    a.call(asm.MAP_LOOKUP)
    a.jump("jeq", R0, 0, "a new name")
    a.store(DOUBLE, R0, 0, R6)
    a.jump("ja", to="out")
    a.label("a new name")
    a.store(DOUBLE, R10, _STAMP, R6)
    _update(a, names, _KEY, _STAMP)
    a.store_value(WORD, R10, _ZERO, 0)
    a.load_map(R1, new)
    a.stack_address(R2, _ZERO)
    a.call(asm.MAP_LOOKUP)
    a.jump("jeq", R0, 0, "out")
    a.mov(R1, 1)
    a.add_atomically(DOUBLE, R0, 0, R1)
    a.label("out")
    a.mov(R0, 0)
    a.exit()
    return a.build()


def _update(a: Assembler, table: int, key: int, value: int) -> None:
    a.load_map(R1, table)
    a.stack_address(R2, key)
    a.stack_address(R3, value)
    a.mov(R4, 0)
    a.call(asm.MAP_UPDATE)


def _take_first_name(a: Assembler, firsts: int) -> None:
    """Put the name under which the process was executed in the place of its present one; a fork has none."""
    a.load_map(R1, firsts)
    a.stack_address(R2, _PID)
    a.call(asm.MAP_LOOKUP)
    a.jump("jeq", R0, 0, "no first name")
    for at in range(0, COMM_BYTES, 8):
        a.load(DOUBLE, R1, R0, at)
        a.store(DOUBLE, R10, _KEY + at, R1)
    a.load_map(R1, firsts)
    a.stack_address(R2, _PID)
    a.call(asm.MAP_DELETE)
    a.label("no first name")


class Book:
    """The ledger as monitors share it: read once a look."""

    def __init__(self, ledger: ProcessLedger) -> None:
        self._ledger = ledger
        self._now: float | None = None
        self._names: list[Name] = []
        self._new = 0

    def read(self, now: float) -> tuple[list[Name], int]:
        """Return the names, and the number of entries made until then. ``now``: the time of the look."""
        if now != self._now:
            self._new, self._names = self._ledger.new_names(), self._ledger.names()
            self._now = now
        return self._names, self._new

    def close(self) -> None:
        self._ledger.close()
