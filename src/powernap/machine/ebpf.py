# SPDX-License-Identifier: GPL-3.0-or-later
"""bpf(2) by ctypes: maps, programs, and where they are attached. Needs no compiler and no library.

Numbers and structures: linux/bpf.h. CAP_BPF for maps and programs, CAP_PERFMON besides for tracepoints (Linux 5.8;
before that CAP_SYS_ADMIN). What the kernel refuses raises OSError: EPERM without the right, EINVAL or ENOENT where
something is not known, EACCES where the verifier rejects. No callback of ctypes is used, so no memory is both writable
and executable: it works under MemoryDenyWriteExecute, too.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import struct
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache

# bpf_cmd
MAP_CREATE, MAP_LOOKUP, MAP_UPDATE, MAP_DELETE, MAP_NEXT, PROG_LOAD = range(6)
RAW_TRACEPOINT_OPEN, MAP_LOOKUP_BATCH, MAP_UPDATE_BATCH, MAP_DELETE_BATCH = 17, 24, 26, 27
# bpf_map_type
HASH, ARRAY, LRU_HASH, LPM_TRIE = 1, 2, 9, 11
#: map_flags: memory is taken as entries come
NO_PREALLOC = 1
#: map_flags: it may be mapped into memory (Linux 5.5)
MMAPABLE = 1 << 10
# bpf_prog_type
SOCKET_FILTER, SCHED_CLS, RAW_TRACEPOINT = 1, 3, 17
SO_ATTACH_BPF = 50  # asm-generic/socket.h

NAME_BYTES = 16
LOG_BYTES = 1 << 18
BATCH = 1024
#: Largest token that a batched lookup hands back: a key, or a bucket's number.
TOKEN_BYTES = 64

#: The number of bpf(2) by (machine of uname(2), bits of a pointer): asm/unistd.h of each.
SYSCALLS = {
    ("x86_64", 64): 321,
    ("x86_64", 32): 357,
    ("i386", 32): 357,
    ("i486", 32): 357,
    ("i586", 32): 357,
    ("i686", 32): 357,
    ("aarch64", 64): 280,
    ("aarch64", 32): 386,
    ("armv6l", 32): 386,
    ("armv7l", 32): 386,
    ("armv8l", 32): 386,
    ("riscv64", 64): 280,
    ("loongarch64", 64): 280,
    ("ppc64", 64): 361,
    ("ppc64le", 64): 361,
    ("s390x", 64): 351,
    ("mips64", 64): 5315,
    ("mips", 32): 4355,
}

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


@lru_cache(maxsize=1)
def syscall_number() -> int:
    """Return the number of bpf(2) here. Raises OSError (ENOSYS) for a machine that is not known."""
    key = os.uname().machine, 8 * struct.calcsize("P")
    if key not in SYSCALLS:
        raise OSError(errno.ENOSYS, f"the number of bpf(2) on {key[0]} is not known")
    return SYSCALLS[key]


def bpf(command: int, attributes: bytes | ctypes.Array[ctypes.c_char]) -> int:
    held = attributes if isinstance(attributes, ctypes.Array) else buffer(attributes)
    result: int = _libc.syscall(ctypes.c_long(syscall_number()), command, held, len(held))
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def buffer(content: bytes | int) -> ctypes.Array[ctypes.c_char]:
    return ctypes.create_string_buffer(content, content if isinstance(content, int) else len(content))


def _name(name: str) -> bytes:
    return name.encode()[: NAME_BYTES - 1].ljust(NAME_BYTES, b"\0")


class Held:
    """A file descriptor of the kernel's, given back by ``close`` or with the object."""

    fd = -1  # also where the kernel refused, for __del__

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def close(self) -> None:
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)

    def __del__(self) -> None:
        self.close()


class Map(Held):
    """A table that programs and this process share. Keys and values are bytes in the machine's order."""

    def __init__(
        self, kind: int, key_bytes: int, value_bytes: int, entries: int, name: str = "powernap", flags: int = 0
    ) -> None:
        self.kind, self.key_bytes, self.value_bytes, self.entries = kind, key_bytes, value_bytes, entries
        super().__init__(
            bpf(MAP_CREATE, struct.pack("=7I16s", kind, key_bytes, value_bytes, entries, flags, 0, 0, _name(name)))
        )

    def lookup(self, key: bytes) -> bytes | None:
        """Return the value, or None where there is no such key."""
        held, value = buffer(key), buffer(self.value_bytes)
        try:
            bpf(MAP_LOOKUP, self.element(held, value))
        except FileNotFoundError:
            return None
        return value.raw

    def update(self, key: bytes, value: bytes) -> None:
        held, content = buffer(key), buffer(value)
        bpf(MAP_UPDATE, self.element(held, content))

    def update_many(self, pairs: Iterable[tuple[bytes, bytes]]) -> None:
        """Add or change many in one call (Linux 5.6). Raises OSError."""
        listed = list(pairs)
        if listed:
            self.update_all(*(b"".join(column) for column in zip(*listed, strict=True)))

    def update_all(self, keys: bytes, values: bytes) -> None:
        """The same of keys and values that lie one behind the other. Raises OSError."""
        if keys:
            held, contents = buffer(keys), buffer(values)
            bpf(MAP_UPDATE_BATCH, self._batch(None, None, held, contents, len(keys) // self.key_bytes))

    def lookup_many(self, keys: Iterable[bytes]) -> list[bytes | None]:
        """The values of many keys; None for each that is not there."""
        one = Slot(self)
        return [one.lookup(key) for key in keys]

    def is_empty(self) -> bool:
        following = buffer(self.key_bytes)
        try:
            bpf(MAP_NEXT, self.element(None, following))
        except FileNotFoundError:
            return True
        return False

    def delete_many(self, keys: list[bytes]) -> int:
        """Delete in one call up to the first key that is not there. Returns how many. Raises OSError."""
        held = buffer(b"".join(keys))
        call = self._batch(None, None, held, None, len(keys))
        try:
            bpf(MAP_DELETE_BATCH, call)
        except FileNotFoundError:
            return self._count(call)
        return len(keys)

    def _count(self, call: ctypes.Array[ctypes.c_char]) -> int:
        (count,) = struct.unpack_from("=I", call, 32)
        return int(count)

    def delete(self, key: bytes) -> bool:
        """Return whether there was such a key."""
        held = buffer(key)
        try:
            bpf(MAP_DELETE, self.element(held, None))
        except FileNotFoundError:
            return False
        return True

    def items(self) -> list[tuple[bytes, bytes]]:
        """Return all pairs; what changes meanwhile may be missing or come twice."""
        try:
            return list(self.walk())
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOTSUP, 524):  # 524: ENOTSUPP, which leaks from the kernel
                raise
        return list(self._one_by_one())

    def walk(self) -> Iterator[tuple[bytes, bytes]]:
        """The same a batch at a time (Linux 5.6). Raises OSError."""
        key, value = self.key_bytes, self.value_bytes
        for found, keys, values in self._batches():
            all_keys, all_values = keys.raw, values.raw
            for place in range(found):
                yield all_keys[place * key : (place + 1) * key], all_values[place * value : (place + 1) * value]

    def copy_to(self, other: Map) -> None:
        """Put all pairs into another map of the same form (Linux 5.6). Raises OSError."""
        for found, keys, values in self._batches():
            if found:
                bpf(MAP_UPDATE_BATCH, other._batch(None, None, keys, values, found))

    def _batches(self) -> Iterator[tuple[int, ctypes.Array[ctypes.c_char], ctypes.Array[ctypes.c_char]]]:
        """How many there are, and the buffers with their keys and values."""
        size = min(BATCH, self.entries)
        keys, values = buffer(size * self.key_bytes), buffer(size * self.value_bytes)
        before, after = None, buffer(TOKEN_BYTES)
        while True:
            call = self._batch(before, after, keys, values, size)
            last = False
            try:
                bpf(MAP_LOOKUP_BATCH, call)
            except FileNotFoundError:  # the end
                last = True
            yield self._count(call), keys, values
            if last:
                return
            before, after = after, buffer(TOKEN_BYTES)

    def _one_by_one(self) -> Iterator[tuple[bytes, bytes]]:
        key: ctypes.Array[ctypes.c_char] | None = None
        for _turn in range(2 * self.entries):  # a key that vanishes makes the kernel begin anew
            following = buffer(self.key_bytes)
            try:
                bpf(MAP_NEXT, self.element(key, following))
            except FileNotFoundError:
                return
            value = self.lookup(following.raw)
            if value is not None:
                yield following.raw, value
            key = following

    def element(self, key: ctypes.Array[ctypes.c_char] | None, value: ctypes.Array[ctypes.c_char] | None) -> bytes:
        return struct.pack("=IIQQQ", self.fd, 0, address_of(key), address_of(value), 0)

    def _batch(
        self,
        before: ctypes.Array[ctypes.c_char] | None,
        after: ctypes.Array[ctypes.c_char] | None,
        keys: ctypes.Array[ctypes.c_char],
        values: ctypes.Array[ctypes.c_char] | None,
        count: int,
    ) -> ctypes.Array[ctypes.c_char]:
        addresses = (address_of(before), address_of(after), address_of(keys), address_of(values))
        return buffer(struct.pack("=QQQQIIQQ", *addresses, count, self.fd, 0, 0))


class Slot:
    """One element of a table at a time, in buffers that stay: a fraction of the cost, for one thread."""

    def __init__(self, table: Map) -> None:
        self._key, self._value = buffer(table.key_bytes), buffer(table.value_bytes)
        self._call = buffer(table.element(self._key, self._value))
        self._number, self._size = ctypes.c_long(syscall_number()), len(self._call)

    def lookup(self, key: bytes) -> bytes | None:
        """The value, None where there is no such key."""
        self._key.raw = key
        if _libc.syscall(self._number, MAP_LOOKUP, self._call, self._size) == 0:
            return self._value.raw
        if ctypes.get_errno() == errno.ENOENT:  # an exception would cost more than the look
            return None
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

    def update(self, key: bytes, value: bytes) -> None:
        """Raises OSError."""
        self._key.raw, self._value.raw = key, value
        if _libc.syscall(self._number, MAP_UPDATE, self._call, self._size):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def address_of(buffer: ctypes.Array[ctypes.c_char] | None) -> int:
    return 0 if buffer is None else ctypes.addressof(buffer)


class Program(Held):
    """A program that the kernel has verified. A rejection carries the last lines of the verifier's log."""

    def __init__(self, kind: int, code: bytes, name: str = "powernap") -> None:
        instructions, licence = buffer(code), buffer(b"GPL\0")

        def load(level: int, log: ctypes.Array[ctypes.c_char] | None) -> int:
            size = 0 if log is None else len(log)
            addresses = address_of(instructions), address_of(licence)
            start = struct.pack("=IIQQIIQ", kind, len(code) // 8, *addresses, level, size, address_of(log))
            return bpf(PROG_LOAD, start + struct.pack("=II16sII", 0, 0, _name(name), 0, 0))

        super().__init__(_loaded(load))


def _loaded(load: Callable[[int, ctypes.Array[ctypes.c_char] | None], int]) -> int:
    """Load without a log, which is quick; once more with one where the verifier rejects."""
    try:
        return load(0, None)
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EINVAL):
            raise
        rejected = error
    log = buffer(LOG_BYTES)
    try:
        return load(1, log)
    except OSError as error:
        said = " / ".join(log.value.decode(errors="replace").strip().splitlines()[-3:])
        raise OSError(error.errno, f"{rejected.strerror}: {said}") from None


class RawTracepoint(Held):
    """A program attached to a tracepoint. Raises OSError (ENOENT where the kernel has no such tracepoint)."""

    def __init__(self, tracepoint: str, program: Program) -> None:
        name = buffer(tracepoint.encode() + b"\0")
        super().__init__(bpf(RAW_TRACEPOINT_OPEN, struct.pack("=QII", ctypes.addressof(name), program.fd, 0)))


def attach_to_socket(sock: socket.socket, program: Program) -> None:
    """Let the program say for each frame how many bytes of it the socket gets. Raises OSError."""
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_BPF, program.fd)
